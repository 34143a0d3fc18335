"""The worker: runs beside the agent, in the Python that the user chose, and runs the user's functions.

The agent hands out this source over its Unix socket (common/worker-command.ts), so that any image with a Python will
do. That is why it is one file, longer than the project's others, of the standard library alone; dill comes from the
environment that it installs. Python 3.9 to 3.14, on Linux; elsewhere without what only Linux has (prctl, /proc).

  main          connects as the parent, installs the environment, becomes that environment's Python, serves
  Lifeline      the parent's connection, and how the worker's life ends
  Environment   the virtual environment of one digest
  Parent        forks children, kills them when told to, reports how they ended
  Child         one process, one call: unpickles, runs, pickles, ends
  CodeGuard     refuses the bytecode of another Python version
  ResultPickler the fast way for plain results

docs/protocol.md, section 4, has the messages; docs/developer/server.md the reasons.
"""

import errno
import fcntl
import functools
import gc
import inspect
import io
import json
import opcode
import os
import pickle
import re
import resource
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

    LIBC = ctypes.CDLL(None)
except (ImportError, OSError):  # a Python built without libffi
    LIBC = None

HEADER = struct.Struct(">QB")  # length of the body, type
# parent to agent
HELLO, PROGRESS, FAILED, REPLACED, SERVING, EXITED, TERMINATING = b"HPFRSXT"
# agent to parent
SETUP, FORK, KILL, END = b"SNKE"
# child to agent, after HELLO
PENDING, ITEM, ERROR, DONE = b"ODEZ"
# agent to child
FUNCTION, ARGUMENTS = b"FA"

SOURCE_NAME = "rexec-worker.py"  # as which the bootstrap compiles this file
LINE_LENGTH = 200  # characters of a progress line
TAIL_LINES = 15  # of the installer's output in the error
MESSAGE_LENGTH = 16 * 1024  # characters of an error's message
TRACEBACK_LENGTH = 64 * 1024  # its last characters
LARGE = 64 * 1024  # larger pieces are read and written where they lie, without a copy
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # prctl(2)
IOLBF = 1  # setvbuf(3): line buffered
UNLIMITED = 1 << 60  # bytes; control groups of version 1 say "no limit" by a number beyond
OOM_WINDOW = 1.0  # seconds: processes killed so soon after the kernel has killed for memory were killed for it


def pip_installs_elsewhere():
    """Whether this Python's pip can install into other environments: its option --python came with 22.3."""
    try:
        import importlib.metadata  # here, since it takes as long as the rest of the program
        import venv  # noqa: F401

        major, minor = importlib.metadata.version("pip").split(".")[:2]
        return (int(major), int(minor)) >= (22, 3)
    except (ImportError, ValueError):  # PackageNotFoundError is an ImportError
        return False


class Failure(Exception):
    """Something for the user to read. `code` is of common/errors.ts, or None for an exception of the function."""

    def __init__(self, code, detail, **details):
        super().__init__(detail)
        details = {name: text[-TRACEBACK_LENGTH:] for name, text in details.items()}
        self.report = {"code": code, "detail": detail[:MESSAGE_LENGTH], "details": details}


class Link:
    """A connection to the agent."""

    def __init__(self, connection):
        self.socket = connection

    @classmethod
    def connect(cls, path, role):
        link = cls(socket.socket(socket.AF_UNIX))
        link.socket.connect(path)
        link.socket.sendall(role)
        return link

    def send(self, *messages):
        """Sends messages in one go, each a tuple of its type and its body in parts: bytes or flat memoryviews."""
        chunk = []
        for kind, *parts in messages:
            chunk.append(HEADER.pack(sum(map(len, parts)), kind))
            for part in parts:
                if len(part) < LARGE:
                    chunk.append(part)
                else:
                    self.socket.sendall(b"".join(chunk))
                    self.socket.sendall(part)
                    chunk = []
        if chunk:
            self.socket.sendall(b"".join(chunk))

    def send_json(self, kind, value):
        self.send((kind, json.dumps(value).encode()))

    def read(self, size):
        """Exactly `size` bytes."""
        data = self.socket.recv(size, socket.MSG_WAITALL) if size else b""
        if len(data) < size:
            raise EOFError("the agent has gone")
        return data

    def receive(self):
        size, kind = HEADER.unpack(self.read(HEADER.size))
        return kind, self.read(size)


class Lifeline(Link):
    """The parent's connection. Its end is the worker's, with the exit code that the agent gives: on it depends whether
    a Job has succeeded. SIGTERM is passed on to the agent, which lets running calls end before it gives that order."""

    def __init__(self, connection):
        super().__init__(connection)
        self.terminated = self.told = False
        self.wakeup, self.waker = socket.socketpair()
        self.wakeup.setblocking(False)
        self.waker.setblocking(False)
        signal.signal(signal.SIGTERM, self.terminate)
        signal.set_wakeup_fd(self.waker.fileno(), warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # see Environment.become()

    def terminate(self, *_):
        self.terminated = True  # the wake-up descriptor brings wait() to it

    def wait(self, *descriptors, seconds=None):
        """Waits for a message, a signal or one of the descriptors. Returns the descriptors that can be read."""
        poll = select.poll()
        for descriptor in (self.socket.fileno(), self.wakeup.fileno(), *descriptors):
            poll.register(descriptor, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(None if seconds is None else 1000 * max(0, seconds))}
        if self.wakeup.fileno() in ready:
            self.wakeup.recv(4096)
        if self.terminated and not self.told:
            self.told = True
            self.send((TERMINATING,))
        return ready

    def send(self, *messages):
        try:
            super().send(*messages)
        except ConnectionError:
            while True:  # it has gone, and may have left the order to end with its exit code
                self.receive()

    def receive(self):
        kind, body = super().receive()
        if kind == END:
            sys.exit(int(body))
        return kind, body

    def close(self):
        """In a child, which has a connection of its own."""
        signal.set_wakeup_fd(-1)
        for each in (self.socket, self.wakeup, self.waker):
            each.close()


def main():
    # A clean __main__: dill gives it to the user's functions as their globals.
    sys.modules["__main__"] = types.ModuleType("__main__")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for whoever started the agent
    path = sys.argv[1]
    try:
        link = Lifeline.connect(path, b"P")
        link.send_json(HELLO, {"python": "%d.%d" % sys.version_info[:2]})
        _, body = link.receive()
        setup = json.loads(body)
        limit_files(setup.get("fileBytes"))
        environment = Environment(setup, link)
        if not environment.active():
            environment.ensure()
            link.send((REPLACED,))
            environment.become(path)
        Parent(path, link, setup).serve()
    except Failure as failure:
        link.send_json(FAILED, failure.report)
        sys.exit(1)
    except (EOFError, ConnectionError):
        sys.exit("rexec: the agent has gone")


def limit_files(limit):
    """For this process and all below it, from the installer on: nobody can raise it again.

    The kubelet counts what lies in a pod's volumes and log, but not the file for the termination message, which lies on
    the node's disk and which every process of a container may write.
    """
    if limit:
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        limit = limit if most == resource.RLIM_INFINITY else min(limit, most)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


# ---------------------------------------------------------------- environment


class Environment:
    """The virtual environment with the user's requirements: one folder per digest, marked when it is complete."""

    def __init__(self, setup, link):
        self.setup = setup
        self.link = link
        self.folder = os.path.join(setup["environmentsFolder"], setup["environmentDigest"])
        self.python = os.path.join(self.folder, "bin", "python")
        self.marker = os.path.join(self.folder, ".rexec-complete")
        self.deadline = time.monotonic() + setup["installSeconds"]

    def active(self):
        return os.path.realpath(sys.prefix) == os.path.realpath(self.folder)

    def become(self, path):
        """Replaces this process by the environment's Python, which fetches this file again."""
        # As the first process of a container this one would lose a SIGTERM before it has a handler again.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        if self.link.terminated and not self.link.told:
            os.kill(os.getpid(), signal.SIGTERM)
        environ = dict(os.environ, VIRTUAL_ENV=self.folder)
        environ["PATH"] = os.path.join(self.folder, "bin") + os.pathsep + os.environ.get("PATH", os.defpath)
        environ.pop("PYTHONHOME", None)
        source = "BOOTSTRAP = %r\nexec(BOOTSTRAP)" % BOOTSTRAP  # noqa: F821 (given by the bootstrap)
        try:
            os.execve(self.python, [self.python, "-u", "-c", source, path], environ)
        except OSError as error:
            raise Failure("install_failed", "The environment's Python cannot be started: %s." % error) from error

    def ensure(self):
        """Makes the environment unless it is complete. One process at a time: others wait for the lock."""
        version = "%d.%d" % sys.version_info[:2]
        if version != self.setup["python"]:
            asked = self.setup["python"]
            raise Failure("python_missing", "Python %s was asked for; the interpreter is %s." % (asked, version))
        os.makedirs(self.setup["environmentsFolder"], exist_ok=True)
        with open(self.folder + ".lock", "w") as lock:
            if self.complete():
                return
            self.lock(lock)
            if self.complete():
                return
            shutil.rmtree(self.folder, ignore_errors=True)  # what an interrupted installation left
            self.install()
            with open(self.marker, "w"):
                pass

    def lock(self, lock):
        waiting = False
        while True:
            try:
                return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if not waiting:
                    self.progress("Waiting for another server that installs the same environment")
                    waiting = True
                self.wait(seconds=0.2)

    def complete(self):
        return os.path.exists(self.marker) and os.access(self.python, os.X_OK)

    def install(self):
        requirements = list(self.setup["requirements"])
        if not any(re.match(r"dill(?![\w.-])", each.strip(), re.I) for each in requirements):
            requirements.append(self.setup["dill"])
        uv = shutil.which("uv")
        names = ", ".join(re.match(r"[\w.-]*", each.strip()).group() for each in requirements)
        self.progress("Installing %s (with %s)" % (names, "uv" if uv else "pip"))
        system = ["--system-site-packages"] if self.setup["systemSitePackages"] else []
        if uv:
            self.run([uv, "venv", "--quiet", *system, "--python", sys.executable, self.folder])
            self.run([uv, "pip", "install", "--python", self.python, "--", *requirements])
        else:
            pip = self.make_venv(system)
            self.run([*pip, "install", "--", *requirements])
        self.progress("Installed %s" % names)

    def make_venv(self, options):
        """Makes the environment without uv; returns the command of the pip that installs into it."""
        if pip_installs_elsewhere():  # most of the time for a pip of its own would be spent on unpacking and compiling that pip
            self.run([sys.executable, "-m", "venv", "--without-pip", *options, self.folder])
            return [sys.executable, "-m", "pip", "--python", self.python]
        try:
            import ensurepip  # noqa: F401
            import venv  # noqa: F401
        except ImportError as error:
            raise Failure(
                "install_failed",
                "The Python of this server cannot make environments: its module %s is missing. Its image needs "
                "uv, or the package python3-venv (Debian, Ubuntu)." % error.name,
            ) from None
        self.run([sys.executable, "-m", "venv", *options, self.folder])
        return [self.python, "-m", "pip"]

    def progress(self, line):
        """Sends a line without terminal control sequences; returns it."""
        line = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line.rsplit("\r", 1)[-1])
        line = "".join(c for c in line if c.isprintable()).strip()
        if line and not line.startswith(("Looking in ", "Requirement already satisfied", "[notice]")):
            self.link.send((PROGRESS, line[:LINE_LENGTH].encode()))
        return line

    def run(self, command):
        """Runs an installer, never through a shell; its lines are progress."""
        environ = dict(
            os.environ,
            NO_COLOR="1",
            PIP_DISABLE_PIP_VERSION_CHECK="1",
            PIP_NO_INPUT="1",
            PIP_PROGRESS_BAR="off",
            PYTHONUNBUFFERED="1",
            UV_NO_PROGRESS="1",
        )
        if self.setup.get("indexUrl"):  # not an argument: it may hold a password, and all can read the process list
            environ["PIP_INDEX_URL"] = environ["UV_DEFAULT_INDEX"] = self.setup["indexUrl"]
        if self.setup["trustedHosts"]:
            environ["PIP_TRUSTED_HOST"] = environ["UV_INSECURE_HOST"] = " ".join(self.setup["trustedHosts"])
        if not os.access(os.path.expanduser("~"), os.W_OK):
            environ["XDG_CACHE_HOME"] = os.path.join(self.setup["environmentsFolder"], ".cache")
        installer = subprocess.Popen(
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        tail = []
        rest = b""
        try:
            while True:
                output = installer.stdout.fileno()
                if output not in self.wait(output):
                    continue
                data = os.read(output, 65536)
                *lines, rest = (rest + data if data else rest + b"\n").split(b"\n")
                for line in lines:
                    tail = [*tail, self.progress(line.decode("utf-8", "replace"))][-TAIL_LINES:]
                if not data:
                    break
            if installer.wait() != 0:
                raise Failure("install_failed", "The installer said:\n%s\n" % "\n".join(filter(None, tail)))
        finally:
            kill_group(installer.pid)
            installer.wait()

    def wait(self, *descriptors, seconds=None):
        """Waits for one of the descriptors, while the agent is there and there is time. Returns those to be read."""
        left = self.deadline - time.monotonic()
        ready = self.link.wait(*descriptors, seconds=left if seconds is None else min(left, seconds))
        if self.link.socket.fileno() in ready:
            self.link.receive()  # the end, or the order to end: it has nothing else to say now
        if time.monotonic() > self.deadline:
            limit = self.setup["installSeconds"]
            raise Failure("install_failed", "The installation was not done after %d seconds." % limit)
        return ready


# ---------------------------------------------------------------- parent


class Parent:
    """Forks children from a warm state and looks after them. It never runs a user's code itself."""

    def __init__(self, path, link, setup):
        self.path = path
        self.link = link
        self.setup = setup
        self.children = set()
        self.memory = Memory()

    def serve(self):
        self.warm_up()
        prctl(PR_SET_CHILD_SUBREAPER, 1)  # what a call leaves behind becomes this process' child, see reap()
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.link.send_json(SERVING, {"dill": self.dill.__version__})
        try:
            while True:
                ready = self.link.wait()
                if self.link.wakeup.fileno() in ready:
                    self.reap()
                if self.link.socket.fileno() in ready:
                    self.obey(*self.link.receive())
        finally:
            signal.set_wakeup_fd(-1)
            self.end()

    def warm_up(self):
        """Everything that a child would otherwise do between its call's arrival and its first line."""
        try:
            import dill
        except Exception as error:
            raise Failure("install_failed", "dill cannot be imported: %s." % describe(error)) from error
        self.dill = dill
        CodeGuard(dill).install()
        if LIBC is not None:  # what C code prints comes line by line
            for name in ("stdout", "__stdoutp"):
                try:
                    LIBC.setvbuf(ctypes.c_void_p.in_dll(LIBC, name), None, IOLBF, 0)
                    break
                except ValueError:
                    pass
        names = {"__name__": "__main__"}
        exec("def rehearsal(value):\n    return value", names)
        self.rehearsal = dill.dumps(names["rehearsal"]), dill.dumps(([0],))
        gc.collect()
        gc.freeze()  # a collection in a child would copy every page of what is inherited

    def obey(self, kind, body):
        if kind == FORK:
            for _ in range(int(body)):
                self.fork()
        elif kind == KILL and int(body) in self.children:  # only a living child: its number cannot be another's
            kill_group(int(body))

    def fork(self):
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            self.link.send_json(EXITED, {"pid": 0, "code": 0, "reason": self.no_process(error)})
            return
        if pid:
            self.children.add(pid)
            return
        try:
            self.become_child(parent)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(1)

    def no_process(self, error):
        """Why there cannot be another process."""
        if error.errno == errno.ENOMEM:
            return "there is no memory for another process"
        if error.errno != errno.EAGAIN:
            return str(error)
        limit = ControlGroup("pids", "pids.max").number("pids.max")
        return "as many processes and threads run as may%s" % ("" if limit is None else " (limit %d)" % limit)

    def become_child(self, parent):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.link.close()
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        if os.getppid() != parent:
            os._exit(1)
        try:
            child = Child(self.path, self.setup, self.dill)
        except (FileNotFoundError, ConnectionError):  # the agent has ended, and with it ends the parent
            os._exit(1)
        child.serve(self.rehearsal)

    def reap(self):
        """Reports children that have ended, and kills what their calls have left behind.

        Every child is a subreaper: what its call has started stays below it, whatever session or group it has made
        for itself, until the child ends. Then the kernel gives it to this process, which has only children of its own
        otherwise.
        """
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                break
            if pid in self.children:
                self.children.discard(pid)
                kill_group(pid)
                self.remove_fifos(pid)
                code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
                report = {"pid": pid, "code": code}
                if self.memory.killing() and code == -signal.SIGKILL:
                    report.update(oom=True, limit=self.memory.limit())
                self.link.send_json(EXITED, report)
        for pid in own_children() - self.children:
            kill(pid)

    def remove_fifos(self, pid):
        """Of a child that has ended before the agent could."""
        for fifo in fifo_paths(self.path, pid):
            try:
                os.unlink(fifo)
            except FileNotFoundError:
                pass

    def end(self):
        """Kills everything below this process."""
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            for pid in self.children:
                kill_group(pid)
            for pid in own_children() | self.children:
                kill(pid)
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            self.children.discard(pid)
            if pid == 0:
                time.sleep(0.005)


class ControlGroup:
    """The files of a controller for this process' control group, of version 2 or 1.

    In a container /sys/fs/cgroup is the container's own group, while /proc/self/cgroup may show the node's path to it.
    """

    def __init__(self, controller, *marks):
        """`marks`: one of these files shows that the group has this controller."""
        places = [*self.own(controller), "/sys/fs/cgroup", "/sys/fs/cgroup/" + controller]
        exists = (place for place in places for mark in marks if os.path.exists(os.path.join(place, mark)))
        self.folder = next(exists, None)

    def own(self, controller):
        try:
            with open("/proc/self/cgroup") as groups:
                for line in groups:
                    _, controllers, group = line.strip().split(":", 2)
                    if controllers == "":
                        yield "/sys/fs/cgroup" + group
                    elif controller in controllers.split(","):
                        yield "/sys/fs/cgroup/%s%s" % (controller, group)
        except OSError:
            pass

    def read(self, name):
        try:
            with open(os.path.join(self.folder, name)) as file:
                return file.read()
        except (OSError, TypeError):  # or there is no such group
            return ""

    def number(self, *names):
        """What the first of these files that there is says, None for no limit."""
        text = next(filter(None, map(self.read, names)), "").strip()
        return int(text) if text.isdigit() and int(text) < UNLIMITED else None


class Memory:
    """Whether the kernel kills for want of memory in this control group, and at which limit."""

    def __init__(self):
        self.group = ControlGroup("memory", "memory.events", "memory.oom_control")
        self.count = self.kills()
        self.seen = float("-inf")

    def kills(self):
        text = self.group.read("memory.events") or self.group.read("memory.oom_control")
        found = re.search(r"^oom_kill (\d+)$", text, re.M)
        return int(found.group(1)) if found else 0

    def killing(self):
        """Whether the kernel has just done so."""
        before, self.count = self.count, self.kills()
        if self.count > before:
            self.seen = time.monotonic()
        return time.monotonic() - self.seen < OOM_WINDOW

    def limit(self):
        """In bytes; None without one."""
        return self.group.number("memory.max", "memory.limit_in_bytes")


def fifo_paths(path, pid):
    """Where the outputs of a child come out, beside the agent's socket."""
    folder = os.path.dirname(path)
    return [os.path.join(folder, "%d-%s" % (pid, name)) for name in ("out", "err")]


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def kill_group(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def own_children():
    """The processes whose parent is this one; empty where the kernel does not tell."""
    try:
        with open("/proc/self/task/%d/children" % os.getpid()) as children:
            return set(map(int, children.read().split()))
    except OSError:
        return set()


def prctl(option, value):
    if LIBC is not None and sys.platform == "linux":
        LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0)


# ---------------------------------------------------------------- child


class Child:
    """A process that waits for one call, runs it and ends."""

    def __init__(self, path, setup, dill):
        self.pid = os.getpid()
        self.setup = setup
        self.dill = dill
        self.path = path
        self.link = Link.connect(path, b"C")
        self.fifos = []
        self.streams = (sys.stdout, sys.stderr)

    def redirect(self):
        """Puts FIFOs on the file descriptors 1 and 2, and nothing on 0.

        They are opened for reading as well, so that opening does not wait for the agent, and never closed here, so
        that what they still hold can be asked for.
        """
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        for stream in self.streams:
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True, write_through=False)
        for fifo in fifo_paths(self.path, self.pid):
            os.mkfifo(fifo, 0o600)
            self.fifos.append(os.open(fifo, os.O_RDWR))
        os.dup2(self.fifos[0], 1)
        os.dup2(self.fifos[1], 2)

    def limit_memory(self):
        """When memory runs out, the kernel is to kill this process and not the parent; with a limit, Python raises
        MemoryError instead. RLIMIT_DATA counts what is private and writable, so neither mapped files nor what
        libraries only reserve."""
        try:
            with open("/proc/self/oom_score_adj", "w") as score:
                score.write("1000")
        except OSError:
            pass
        limit = self.setup.get("memoryBytes")
        if limit:
            _, most = resource.getrlimit(resource.RLIMIT_DATA)
            limit = limit if most == resource.RLIM_INFINITY else min(limit, most)  # it cannot be raised
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    def serve(self, rehearsal):
        self.limit_memory()
        self.rehearse(*rehearsal)
        self.redirect()  # last, so that all before it can complain on the worker's own stderr
        self.flush()
        sys.argv = [""]
        self.link.send_json(HELLO, {"pid": self.pid})
        try:
            self.answer()
            self.link.read(1)  # until the agent lets go: ending takes time that the answer's way to the client needs
        except (EOFError, ConnectionError):
            pass
        os._exit(0)

    def rehearse(self, function, arguments):
        """Runs a call from nowhere to nowhere. After a fork, each page is copied when it is first written to: this
        has it done before the call comes."""
        here, there = socket.socketpair()
        link, self.link = self.link, Link(here)
        Link(there).send((FUNCTION, function), (ARGUMENTS, arguments))
        self.answer()
        self.link = link
        here.close()
        there.close()

    def answer(self):
        """Runs the call and sends its last message."""
        try:
            last = self.run()
        except Failure as failure:
            last = [(ERROR, json.dumps(failure.report).encode())]
        self.flush()
        self.send(*last)

    def run(self):
        """Receives the call and runs it; returns the last messages."""
        function = self.load(FUNCTION, "function")
        arguments = self.load(ARGUMENTS, "arguments")
        try:
            result = function(*arguments)
            if inspect.isgenerator(result):
                result = self.send_items(result)
            elif inspect.iscoroutine(result) or inspect.isasyncgen(result):
                result = self.run_async(result)
        except Failure:
            raise
        except SystemExit as error:
            self.stay_single(0 if error.code is None else error.code)
            if error.code not in (None, 0):
                raise raised(error) from error
            result = None
        except BaseException as error:
            self.stay_single(1, error)
            raise raised(error) from error
        self.stay_single(0)
        if result is None:
            return [(DONE,)]  # the client takes no value for None
        return [self.item("return", result), (DONE,)]

    def stay_single(self, code, error=None):
        """Ends a copy of this process that the function made with os.fork() and let return: one call, one answer."""
        if os.getpid() != self.pid:
            if error is not None:
                traceback.print_exception(type(error), error, error.__traceback__)
            self.flush_streams()
            os._exit(code if isinstance(code, int) else 1)

    def load(self, expected, what):
        """Receives and unpickles one of the call's two frames."""
        size, kind = HEADER.unpack(self.link.read(HEADER.size))
        assert kind == expected
        frame = Frame(self.link, size)
        try:
            value = self.dill.load(frame if size > LARGE else io.BytesIO(frame.read()))
            frame.skip()
            return value
        except Failure:
            raise
        except BaseException as error:
            if frame.lost:
                raise EOFError from None
            raise self.unreadable(what, error) from error

    def unreadable(self, what, error):
        details = {"type": type(error).__name__, "traceback": format_traceback(error)}
        if isinstance(error, MemoryError):
            return Failure("out_of_memory", "There was not enough memory to unpickle the %s." % what, **details)
        if isinstance(error, ModuleNotFoundError):
            detail = "The %s of the call needs the module %r, which the server does not have." % (what, error.name)
            return Failure("function_unreadable", detail, **details)
        if self.is_of_dill(error):
            detail = "The server's dill %s cannot read the %s: %s." % (self.dill.__version__, what, describe(error))
            return Failure("client_mismatch", detail, **details)
        detail = "The %s of the call could not be unpickled: %s." % (what, describe(error))
        return Failure("function_unreadable", detail, **details)

    def is_of_dill(self, error):
        """Whether dill's own functions did not get what they expect, or what the pickle names is not in this dill."""
        internals = vars(self.dill._dill)
        if any(name in internals for name in re.findall(r"\b(_[a-z]\w+)\(\)", str(error))):
            return True
        if "dill" in str(error) and isinstance(error, (AttributeError, ImportError)):
            return True
        *_, last = traceback.walk_tb(error.__traceback__)
        code = last[0].f_code
        return code.co_filename == self.dill._dill.__file__ and code.co_name not in ("load", "loads", "find_class")

    def send_items(self, generator):
        """Sends what a generator yields; returns what it returns."""
        while True:
            try:
                item = next(generator)
            except StopIteration as stop:
                return stop.value
            self.stay_single(0)
            self.send_item(item)

    def run_async(self, result):
        import asyncio  # takes long to import, and few need it

        async def each():
            async for item in result:
                self.stay_single(0)
                self.send_item(item)

        return asyncio.run(result if inspect.iscoroutine(result) else each())

    def send_item(self, value):
        item = self.item("yield", value)
        self.flush()
        self.send(item)

    def item(self, channel, value):
        return (ITEM, *self.pickle({"type": "DATA", "channel": channel, "data": value}))

    def pickle(self, event):
        try:
            try:
                sink = Sink(self.setup["maxResultBytes"])
                ResultPickler(sink, self.dill).dump(event)
            except NeedsDill:
                sink = Sink(self.setup["maxResultBytes"])
                self.dill.Pickler(sink).dump(event)
            return sink.parts
        except Failure:
            raise
        except MemoryError as error:
            raise Failure("out_of_memory", "There was not enough memory to pickle the result.") from error
        except RecursionError as error:
            raise Failure("result_unpicklable", "The result is nested too deeply.") from error
        except BaseException as error:
            details = {"type": type(error).__name__, "traceback": format_traceback(error)}
            kind = type(event["data"]).__name__
            raise Failure("result_unpicklable", "A result of type %s: %s." % (kind, describe(error)), **details) from error

    def flush(self):
        """Tells the agent how much output is on its way in the FIFOs, to be taken before the next message."""
        self.flush_streams()
        try:
            pending = [struct.unpack("i", fcntl.ioctl(fifo, termios.FIONREAD, b"0000"))[0] for fifo in self.fifos]
        except OSError:
            return  # the function has closed all descriptors, so what follows cannot be sent either
        if any(pending):
            self.send((PENDING, struct.pack(">II", *pending)))

    def flush_streams(self):
        for stream in {sys.stdout, sys.stderr, *self.streams}:
            try:
                stream.flush()
            except Exception:
                pass  # the function has closed or replaced it
        if LIBC is not None:
            LIBC.fflush(None)

    def send(self, *messages):
        try:
            self.link.send(*messages)
        except OSError as error:
            if not isinstance(error, ConnectionError):  # such as EBADF
                os.write(2, b"rexec: the function has closed the connection of its process (%s)\n" % str(error).encode())
            os._exit(1)


class Frame:
    """A frame of the call as a file for the unpickler, so that large data goes from the socket to its place."""

    def __init__(self, link, size):
        self.link = link
        self.left = size
        self.lost = False

    def read(self, size=-1):
        size = self.left if size < 0 else min(size, self.left)
        data = bytearray(size)
        self.readinto(data)
        return bytes(data)

    def readinto(self, buffer):
        view = memoryview(buffer).cast("B")[: self.left]
        done = 0
        while done < len(view):
            count = self.link.socket.recv_into(view[done:])
            if count == 0:
                self.lost = True
                raise EOFError("the agent has gone")
            done += count
        self.left -= done
        return done

    def skip(self):
        while self.left:
            self.read(LARGE)

    def readline(self):
        line = bytearray()
        while self.left and not line.endswith(b"\n"):
            line += self.read(1)
        return bytes(line)


class Sink:
    """A file for a pickler that keeps what is written as it is, without copies, up to a limit."""

    def __init__(self, limit):
        self.parts = []
        self.left = self.limit = limit

    def write(self, data):
        part = data if type(data) is bytes else memoryview(data).cast("B")
        self.left -= len(part)
        if self.left < 0:
            raise Failure("result_too_large", "A result of more than %d bytes." % self.limit)
        self.parts.append(part)
        return len(part)


class NeedsDill(Exception):
    """The object holds something that only dill can pickle, or pickles otherwise."""


class ResultPickler(pickle.Pickler):
    """C's pickler for results of plain data: some fifty times faster than dill, which is written in Python.

    It gives up, for dill to begin again, on everything that dill treats in a way of its own: what dill has registered
    (functions, modules, ...), what lives in __main__ (the user's classes), and subclasses of numpy's arrays.
    """

    kinds = {}

    def __init__(self, sink, dill):
        super().__init__(sink, dill.settings["protocol"])
        self.registered = dill.Pickler.dispatch

    def reducer_override(self, obj):
        kind = type(obj)
        plain = self.kinds.get(kind)
        if plain is None:
            plain = self.kinds[kind] = self.is_plain(kind)
        if plain or self.is_importable(obj, kind):
            return NotImplemented
        raise NeedsDill

    def is_plain(self, kind):
        return (
            kind not in self.registered
            and not issubclass(kind, type)
            and kind.__module__ != "__main__"
            and not any(base.__name__ == "ndarray" for base in kind.__mro__[1:])
        )

    def is_importable(self, obj, kind):
        """Classes and functions of installed modules, which every pickler takes by name."""
        if kind in (type, types.FunctionType):
            return obj.__module__ not in (None, "__main__") and "<" not in obj.__qualname__
        return kind is types.BuiltinFunctionType and obj.__self__ is None

    def dump(self, obj):
        try:
            super().dump(obj)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise NeedsDill from error  # dill can pickle more; if not, it says why


class CodeGuard:
    """Refuses the bytecode of another Python version before any of it runs: it would crash or, worse, not.

    A pickle does not name its Python. But dill rebuilds every function with _create_code(*fields), and the fields give
    it away: their number, the line table, and the opcode RESUME at the beginning.
    """

    RESUME = {151: "3.11 or 3.12", 149: "3.13", 128: "3.14"}
    OWN_RESUME = opcode.opmap.get("RESUME")
    OPCODES = frozenset(opcode.opmap.values())
    WALKED = 1024  # bytes of code looked at, so that it takes no time

    def __init__(self, dill):
        self.dill = dill

    def install(self):
        create_code = getattr(self.dill._dill, "_create_code", None)
        if create_code is None:
            return

        @functools.wraps(create_code)
        def guarded(*fields):
            version = self.foreign_version(fields)
            if version is not None:
                raise Failure(
                    "client_mismatch",
                    "Your function was made by Python %s, and this server runs Python %d.%d.%d with dill %s."
                    % (version, *sys.version_info[:3], self.dill.__version__),
                )
            return create_code(*fields)

        self.dill._dill._create_code = guarded

    def foreign_version(self, fields):
        """The version that has made the code, or None if it can be this one."""
        if not isinstance(fields[0], int):
            fields = fields[1:]  # co_lnotab, for older versions
        own = "%d.%d" % sys.version_info[:2]
        if len(fields) == 15:
            version = "3.7 or older"
        elif len(fields) == 16:  # the line table of 3.10 covers all the code, that of 3.9 never its end
            version = "3.10" if sum(fields[13][::2]) == len(fields[6]) else "3.9"
        elif len(fields) == 18:
            code, cells = fields[6], fields[17]
            # before RESUME 0 stand at most COPY_FREE_VARS, a MAKE_CELL per cell, RETURN_GENERATOR and POP_TOP
            first = [code[at] for at in range(0, min(len(code), 2 * len(cells) + 12), 2) if code[at + 1] == 0]
            if self.OWN_RESUME in first:
                if own not in ("3.11", "3.12") or self.is_own(code):
                    return None
                version = "3.12" if own == "3.11" else "3.11"
            else:
                version = next((self.RESUME[each] for each in first if each in self.RESUME), None)
        else:
            version = None
        return None if version == own else version

    def is_own(self, code):
        """Tells 3.11 from 3.12, whose code begins alike: each instruction must be known and its caches be empty."""
        caches = opcode._inline_cache_entries
        at = 0
        while at < min(len(code), self.WALKED):
            instruction = code[at]
            if instruction == 0 or instruction not in self.OPCODES:
                return False
            at += 2
            cache = 2 * caches[instruction]
            if any(code[at : at + cache]):
                return False
            at += cache
        return True


def raised(error):
    """The report of an exception of the user's function."""
    message = describe(error)[: MESSAGE_LENGTH - 1024]
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != SOURCE_NAME]
    own = [frame for frame in frames if not is_installed(frame.filename)] or frames
    if own:
        where = own[-1]
        message += " (%s, line %s, in %s)" % (os.path.basename(where.filename), where.lineno, where.name)
    details = {"type": type(error).__name__, "traceback": format_traceback(error)}
    if isinstance(error, MemoryError):
        return Failure("out_of_memory", message + ".", **details)
    return Failure(None, message, **details)


def is_installed(filename):
    """Whether a file belongs to Python or a package, and not to the user."""
    return filename.startswith((sys.prefix, sys.base_prefix, "<frozen"))


def describe(error):
    """An exception in one line, or as many as its own text has: "ValueError: bad x"."""
    return "".join(traceback.format_exception_only(type(error), error)).strip()


def format_traceback(error):
    """The traceback without the worker's own frames."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == SOURCE_NAME:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))


if __name__ == "rexec_worker":  # and not when a test imports this file
    main()
