"""Python functions that run on a rexec server, called with the unmodified scidx-rexec client.

`npm run demo` runs it. To run it against a service of your own:

    REXEC_URL=http://127.0.0.1:10101/services/rexec REXEC_BROKER=127.0.0.1:5559 REXEC_TOKEN=... python examples/demo.py
"""

import os
import platform
import signal
import statistics
import sys
import tempfile
import threading
import time

from display import heading, remote_output, say
from rexec.client_api import remote_func


@remote_func
def greet(name):
    import os, platform

    print(f"Hello {name}, this is Python {platform.python_version()}.")
    print("What I print arrives while I run.")
    return {"pid": os.getpid(), "host": platform.node()}


@remote_func
def draw(text):
    import cowsay

    return cowsay.get_output_string("cow", text)


@remote_func
def countdown(start):
    import time

    for number in range(start, 0, -1):
        time.sleep(0.4)
        print("counting", flush=True)
        yield number


@remote_func
def average(numbers):
    return sum(numbers) / len(numbers)


@remote_func
def work_for_ever():
    import os, time

    with open("worker.pid", "w") as file:
        file.write(str(os.getpid()))
    while True:
        print("working", flush=True)
        time.sleep(0.3)


@remote_func
def is_still_working():
    import os, time

    with open("worker.pid") as file:
        pid = int(file.read())
    for _ in range(50):  # the server needs a moment to end it
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.1)
    return True


@remote_func
def nothing():
    pass


def connect():
    host, port = os.environ["REXEC_BROKER"].rsplit(":", 1)
    remote_func.set_api_url(os.environ["REXEC_URL"] + "/spawn")
    remote_func.set_remote_addr(host)
    remote_func.set_remote_port(port)


def start_server():
    heading("A server with the packages that you ask for")
    requirements = "python==%d.%d\ncowsay==6.1\n" % sys.version_info[:2]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(requirements)
        file.flush()
        say("requirements.txt: " + ", ".join(requirements.split()))
        answer = remote_func.set_environment(file.name, os.environ["REXEC_TOKEN"], force_reinstall=True)
    check(answer.ok, f"the server was not started: {answer.text}")
    say("It starts while you go on; the first call waits for it.")


def show_print_and_return():
    heading("A function prints and returns")
    with remote_output():
        there = greet("world")
    say(f"returned: {there}")
    check(there["pid"] != os.getpid(), "the function ran in this very process")
    say(f"It ran in process {there['pid']} on {there['host']}; this is process {os.getpid()} on {platform.node()}.")


def show_requirement():
    heading("It uses a package that is installed over there only")
    try:
        import cowsay
    except ModuleNotFoundError as error:
        say(f"here:  {error}")
    say("there:")
    print(draw("moo from the other side"))


def show_stream():
    heading("A generator streams")
    say("The client's call prints what arrives and drops yielded items, so this reads its event stream.")
    items = []
    with remote_output():
        for event in countdown._prepare_invocation(3):
            if event.get("channel") == "yield":
                items.append(event["data"])
                print("yield", event["data"])
            elif event.get("channel") == "stdout":
                sys.stdout.write(event["data"])
    check(items == [3, 2, 1], f"the items were {items}")


def show_exception():
    heading("It raises")
    try:
        average([])
    except RuntimeError as error:
        lines = str(error).strip().splitlines()
        for line in lines:
            say(line)
        check("ZeroDivisionError" in str(error), "the error does not name the exception")
    else:
        check(False, "the exception did not arrive")


def show_cancel():
    heading("It is cancelled with Ctrl-C (here: a SIGINT after one second)")
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        with remote_output():
            work_for_ever()
    except KeyboardInterrupt:
        say("KeyboardInterrupt here;")
    check(not is_still_working(), "the function still works over there")
    say("and the function's process over there is gone. The server goes on.")


def show_speed():
    heading("How fast is a call?")
    times = []
    for _ in range(20):
        start = time.perf_counter()
        nothing()
        times.append(1000 * (time.perf_counter() - start))
    say(f"{statistics.median(times):.1f} ms there and back, a fresh process each (median of {len(times)})")


def check(condition, otherwise):
    if not condition:
        raise SystemExit(f"demo: {otherwise}")


def main():
    connect()
    start_server()
    show_print_and_return()
    show_requirement()
    show_stream()
    show_exception()
    show_cancel()
    show_speed()
    remote_func.terminate_environment(os.environ["REXEC_URL"] + "/spawn")


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:  # what the client raises for everything the service says
        raise SystemExit(f"demo: {error}")
