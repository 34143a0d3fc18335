"""How demo.py shows things: headings, what came from the other side behind a prefix; colour on a terminal only."""

import contextlib
import os
import sys
import time

COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def heading(text):
    print("\n" + paint("1;36", f"== {text}"), flush=True)


def say(text):
    print(f"   {text}", flush=True)


class Prefixed:
    """A stream that puts a prefix and the time since its start before each line."""

    def __init__(self, stream, since):
        self.stream, self.since, self.at_start = stream, since, True

    def write(self, text):
        for line in text.splitlines(keepends=True):
            if self.at_start:
                elapsed = time.perf_counter() - self.since
                self.stream.write(paint("32", f"   remote +{elapsed:4.1f} s | "))
            self.stream.write(line)
            self.at_start = line.endswith("\n")
        return len(text)

    def flush(self):
        self.stream.flush()


@contextlib.contextmanager
def remote_output():
    """What remote functions print within this block is shown as theirs."""
    out = Prefixed(sys.stdout, time.perf_counter())
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        yield
