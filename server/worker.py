"""The worker: runs beside the agent, in the Python that the user chose, and runs the user's functions.

The agent hands out this source over its Unix socket (common/worker-command.ts), so that any image with a Python will
do. That is why it is one file, longer than the project's others, of the standard library alone; dill comes from the
environment that it installs. Python 3.9 to 3.14.

  main         connects as the parent, installs the environment, becomes that environment's Python, then serves
  Parent       forks children that wait for a call, kills them when told to, reports how they ended
  Child        one process, one call: unpickles, runs, pickles, ends

docs/protocol.md, section 4, has the messages; docs/developer/server.md the reasons.
"""

import asyncio
import fcntl
import functools
import inspect
import io
import json
import os
import pickle
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
import traceback
import types

try:
    import ctypes

    LIBC = ctypes.CDLL(None, use_errno=True)
except (ImportError, OSError):  # a Python built without libffi: what needs it is a second line of defence
    ctypes = LIBC = None

HEADER = struct.Struct(">QB")
# parent to agent
HELLO, PROGRESS, FAILED, REPLACED, SERVING, EXITED, TERMINATING = b"HPFRSXT"
# agent to parent
SETUP, FORK, KILL = b"SNK"
# child to agent (after HELLO), agent to child
PENDING, ITEM, ERROR, DONE = b"ODEZ"
FUNCTION, ARGUMENTS = b"FA"

SOURCE_NAME = "rexec-worker.py"
LINE_LENGTH = 200  # of a progress line
TAIL_LINES = 15  # of the installer's output, in the error
MESSAGE_LENGTH = 16 * 1024  # of an error's message
TRACEBACK_LENGTH = 256 * 1024
STREAMED = 1024 * 1024  # a larger frame is unpickled as it comes, without a copy in between
PDEATHSIG, CHILD_SUBREAPER = 1, 36  # prctl(2)


class Failure(Exception):
    """Something for the user to read, with its code in common/errors.ts."""

    def __init__(self, code, detail, **details):
        super().__init__(detail)
        self.report = {"code": code, "detail": detail[:MESSAGE_LENGTH], "details": details}


class Link:
    """A connection to the agent."""

    def __init__(self, path, role):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.sendall(role)
        self.stream = self.socket.makefile("rb", 65536)

    def send(self, kind, *parts):
        size = sum(memoryview(part).nbytes for part in parts)
        chunk = [HEADER.pack(size, kind)]
        for part in parts:
            if memoryview(part).nbytes < 65536:
                chunk.append(part)
            else:  # large parts are written from where they lie
                self.socket.sendall(b"".join(chunk))
                self.socket.sendall(part)
                chunk = []
        if chunk:
            self.socket.sendall(b"".join(chunk))

    def send_json(self, kind, value):
        self.send(kind, json.dumps(value).encode())

    def read(self, size):
        data = self.stream.read(size)
        if len(data) < size:
            raise EOFError("the agent has gone")
        return data

    def receive_header(self):
        size, kind = HEADER.unpack(self.read(HEADER.size))
        return kind, size

    def receive(self):
        kind, size = self.receive_header()
        return kind, self.read(size)


def main():
    sys.modules["__main__"] = types.ModuleType("__main__")  # dill gives it to functions as their globals
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for whoever started the agent
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    path = sys.argv[1]
    link = Link(path, b"P")
    link.send_json(HELLO, {"python": "%d.%d" % sys.version_info[:2], "pid": os.getpid()})
    kind, body = link.receive()
    assert kind == SETUP
    setup = json.loads(body)
    try:
        environment = Environment(setup, link)
        if not environment.active():
            environment.ensure()
            link.send(REPLACED)
            environment.become(path)
        Parent(path, link, setup).serve()
    except Failure as failure:
        link.send_json(FAILED, failure.report)
        sys.exit(1)
    except EOFError:
        pass


# ---------------------------------------------------------------- environment


class Environment:
    """The virtual environment with the user's requirements, one folder per digest."""

    def __init__(self, setup, link):
        self.setup = setup
        self.link = link
        self.folder = os.path.join(setup["environmentsFolder"], setup["environmentDigest"])
        self.python = os.path.join(self.folder, "bin", "python")
        self.marker = os.path.join(self.folder, ".rexec-complete")

    def active(self):
        return os.path.realpath(sys.prefix) == os.path.realpath(self.folder)

    def become(self, path):
        """Replaces this process by the environment's Python, which fetches worker.py again."""
        environ = dict(os.environ, VIRTUAL_ENV=self.folder)
        environ["PATH"] = os.path.join(self.folder, "bin") + os.pathsep + os.environ.get("PATH", os.defpath)
        environ.pop("PYTHONHOME", None)
        source = "BOOTSTRAP = %r\nexec(BOOTSTRAP)" % BOOTSTRAP  # noqa: F821 (set by the bootstrap)
        os.execve(self.python, [self.python, "-u", "-c", source, path], environ)

    def ensure(self):
        """Makes the environment unless it is complete. One process at a time: others wait for the lock."""
        version = "%d.%d" % sys.version_info[:2]
        if version != self.setup["python"]:
            raise Failure(
                "python_missing",
                "The server was to run Python %s but its interpreter is %s." % (self.setup["python"], version),
            )
        os.makedirs(self.setup["environmentsFolder"], exist_ok=True)
        with open(self.folder + ".lock", "w") as lock:
            if self.complete():
                return
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.complete():
                return
            shutil.rmtree(self.folder, ignore_errors=True)  # what an interrupted installation left
            self.install()
            with open(self.marker, "w"):
                pass

    def complete(self):
        return os.path.exists(self.marker) and os.access(self.python, os.X_OK)

    def install(self):
        requirements = list(self.setup["requirements"])
        if not any(re.match(r"dill\s*($|[^\w.-])", each, re.I) for each in requirements):
            requirements.append(self.setup["dill"])
        uv = shutil.which("uv")
        names = ", ".join(re.match(r"[\w.-]*", each).group() for each in requirements)
        self.progress("Installing %s with %s" % (names, "uv" if uv else "pip"))
        system = ["--system-site-packages"] if self.setup["systemSitePackages"] else []
        if uv:
            self.run([uv, "venv", "--quiet", *system, "--python", sys.executable, self.folder])
            self.run([uv, "pip", "install", "--python", self.python, "--", *requirements])
        else:
            self.run([sys.executable, "-m", "venv", *system, self.folder])
            self.run([self.python, "-m", "pip", "install", "--no-input", "--", *requirements])
        self.progress("Installed %s" % names)

    def progress(self, line):
        line = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line)
        line = "".join(c for c in line if c.isprintable()).strip()
        if line:
            self.link.send(PROGRESS, line[:LINE_LENGTH].encode())
        return line

    def run(self, command):
        environ = dict(
            os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_PROGRESS_BAR="off", PYTHONUNBUFFERED="1", NO_COLOR="1"
        )
        if self.setup.get("indexUrl"):
            environ["PIP_INDEX_URL"] = environ["UV_DEFAULT_INDEX"] = self.setup["indexUrl"]
        tail = []
        process = subprocess.Popen(
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            errors="replace",
            encoding="utf-8",
        )
        for line in process.stdout:
            tail = [*tail, self.progress(line)][-TAIL_LINES:]
        if process.wait() != 0:
            raise Failure("install_failed", "The installer said:\n%s\n" % "\n".join(tail))


# ---------------------------------------------------------------- parent


class Parent:
    """Forks children from a warm state and looks after them. It never runs a user's code itself."""

    def __init__(self, path, link, setup):
        self.path = path
        self.link = link
        self.setup = setup
        self.children = set()
        self.wakeup, writer = socket.socketpair()
        self.wakeup.setblocking(False)
        writer.setblocking(False)
        self.writer = writer
        self.terminated = False

    def serve(self):
        import dill

        self.dill = dill
        guard_code(dill)
        prctl(CHILD_SUBREAPER, 1)
        signal.set_wakeup_fd(self.writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self.terminate)
        self.link.send_json(SERVING, {"dill": dill.__version__})
        poll = select.poll()
        poll.register(self.link.socket, select.POLLIN)
        poll.register(self.wakeup, select.POLLIN)
        try:
            while True:
                for descriptor, _ in poll.poll():
                    if descriptor == self.wakeup.fileno():
                        self.wakeup.recv(4096)
                        self.reap()
                    else:
                        self.obey(*self.link.receive())
        finally:
            for pid in list(self.children):
                kill_group(pid)

    def terminate(self, *_):
        if not self.terminated:
            self.terminated = True
            self.link.send(TERMINATING)

    def obey(self, kind, body):
        if kind == FORK:
            for _ in range(int(body)):
                self.fork()
        elif kind == KILL and int(body) in self.children:
            kill_group(int(body))

    def fork(self):
        parent = os.getpid()
        pid = os.fork()
        if pid:
            self.children.add(pid)
            return
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self.link.socket.close()
            self.wakeup.close()
            self.writer.close()
            os.setsid()
            prctl(PDEATHSIG, signal.SIGKILL)
            prctl(CHILD_SUBREAPER, 1)
            if os.getppid() != parent:
                os._exit(1)
            Child(self.path, self.setup, self.dill).serve()
            os._exit(0)
        except EOFError:
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)

    def reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self.children:
                self.children.discard(pid)
                kill_group(pid)
                code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
                self.link.send_json(EXITED, {"pid": pid, "code": code})


def kill_group(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def prctl(option, value):
    if LIBC is not None and sys.platform == "linux":
        LIBC.prctl(option, value, 0, 0, 0)


# ---------------------------------------------------------------- child


class Child:
    """A process that waits for one call, runs it and ends."""

    def __init__(self, path, setup, dill):
        self.pid = os.getpid()
        self.setup = setup
        self.dill = dill
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        folder = os.path.dirname(path)
        self.fifos = []
        for descriptor, name in ((1, "out"), (2, "err")):
            fifo = os.path.join(folder, "%d-%s" % (self.pid, name))
            os.mkfifo(fifo, 0o600)
            self.fifos.append(os.open(fifo, os.O_RDWR))
            os.dup2(self.fifos[-1], descriptor)
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True, write_through=False)
        self.link = Link(path, b"C")
        self.link.send_json(HELLO, {"pid": self.pid})

    def serve(self):
        try:
            self.run()
        except Failure as failure:
            self.flush()
            self.link.send_json(ERROR, failure.report)
        else:
            self.flush()
            self.link.send(DONE)

    def run(self):
        try:
            function = self.load(FUNCTION)
            arguments = self.load(ARGUMENTS)
        except EOFError:
            raise
        except Exception as error:
            raise Failure("function_unreadable", describe(error)) from error
        try:
            result = function(*arguments)
            if inspect.isgenerator(result):
                for item in result:
                    self.send_item("yield", item)
                return
        except Exception as error:
            raise Failure(None, describe(error), type=type(error).__name__, traceback=traceback.format_exc()) from error
        if result is not None:
            self.send_item("return", result)

    def load(self, expected):
        kind, size = self.link.receive_header()
        assert kind == expected
        return self.dill.load(io.BytesIO(self.link.read(size)))

    def send_item(self, channel, value):
        payload = self.dill.dumps({"type": "DATA", "channel": channel, "data": value})
        self.flush()
        self.link.send(ITEM, payload)

    def flush(self):
        sys.stdout.flush()
        sys.stderr.flush()
        pending = [struct.unpack("i", fcntl.ioctl(fifo, termios.FIONREAD, b"\0\0\0\0"))[0] for fifo in self.fifos]
        if any(pending):
            self.link.send(PENDING, struct.pack(">II", *pending))


def describe(error):
    return "".join(traceback.format_exception_only(type(error), error)).strip()


def guard_code(dill):
    pass


if __name__ == "rexec_worker":  # and not when a test imports this file
    main()
