/** What somebody tries from inside a pod of the own. */
export interface Attack {
  /** What is tried. */
  tried: string
  /** What must come of it, in words. */
  must: string
  /** Body of a Python function that says in few words what has happened; it knows `at` (Targets) and PRELUDE. */
  code: string
  /** What it says when it has failed as it must: what it returned, or "raised" and the client's error. */
  held: RegExp
  /** Its server may end with it. */
  mayEndServer?: boolean
}

/** Where things are, and what the attacker may have got hold of. */
export interface Targets {
  /** Address of the host, on which the service itself runs, and its ports. */
  host: string
  node: string
  /** Host and port. */
  api: [string, number]
  index: [string, number]
  proxyPort: number
  clientPort: number
  serverPort: number
  adminPort: number
  /** A UDP port on the host, where somebody listens. */
  hostUdp: number
  /** The other user's pod, Service, its name, and namespace. */
  pod: string
  service: string
  serviceName: string
  /** Credentials by how they were made. */
  forged: Record<string, string>
  /** Of a server of the attacker's own. */
  own: string
}

/** Names that the code of every attack can use. */
export const PRELUDE = `
import ctypes, errno, glob, json, os, resource, signal, socket, struct, subprocess, sys, threading, time
AGENT = "/run/rexec/agent.sock"

def said(error):
    if isinstance(error, socket.timeout): return "timeout"
    return errno.errorcode.get(getattr(error, "errno", None), type(error).__name__)

def attempt(action, *arguments):
    try: action(*arguments)
    except Exception as error: return said(error)
    return "done"

def summary(outcomes):
    """Of a dict: the outcome alone where all are the same."""
    if len(set(outcomes.values())) == 1: return next(iter(outcomes.values()))
    return ", ".join("%s: %s" % each for each in outcomes.items())

def together(names, action):
    outcomes = {}
    def one(name): outcomes[name] = attempt(action, *name)
    threads = [threading.Thread(target=one, args=(name,)) for name in names]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return {":".join(map(str, name)): outcomes[name] for name in names}

def reach(host, port):
    socket.create_connection((host, port), timeout=3).close()

def reached(*addresses):
    return summary(together(addresses, reach)).replace("done", "reached")

def syscall(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    given = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    if libc.syscall(ctypes.c_long(number), *given) == -1:
        raise OSError(ctypes.get_errno(), "refused")

class Broker:
    """A peer on the broker's port for servers."""
    def __init__(self):
        self.link = socket.create_connection((at["host"], at["serverPort"]), timeout=5)
        self.link.sendall(b"\\xff" + bytes(8) + b"\\x7f\\x03\\x01" + b"NULL".ljust(52, b"\\0"))
        self.frame(b"\\x05READY\\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER", 4)
        self.bytes = b""
    def frame(self, body, flags=0):
        head = bytes([flags, len(body)]) if len(body) < 256 else bytes([flags | 2]) + struct.pack(">Q", len(body))
        self.link.sendall(head + body)
    def send(self, *frames):
        for number, body in enumerate(frames):
            self.frame(body if isinstance(body, bytes) else body.encode(), number < len(frames) - 1)
    def ready(self, credential):
        self.send("READY", "1", credential, json.dumps({"concurrency": 4, "state": "ready"}))
    def listen(self, seconds):
        """The verbs (and what follows a refusal) that come in this time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.link.settimeout(max(0.01, end - time.monotonic()))
            try: chunk = self.link.recv(65536)
            except OSError as error: chunk = b""
            if not chunk: break
            self.bytes += chunk
        return self.messages()
    def messages(self):
        rest, messages, frames = self.bytes[64:], [], []
        while len(rest) > 1:
            long = rest[0] & 2
            size = struct.unpack(">Q", rest[1:9])[0] if long else rest[1]
            body = rest[9 if long else 2:][:size]
            if not rest[0] & 4:
                frames.append(body)
                if not rest[0] & 1: messages, frames = messages + [frames], []
            rest = rest[(9 if long else 2) + size:]
        return messages

def verbs(messages):
    return [frames[0].decode() for frames in messages]

def message(kind, body=b"", size=None):
    return struct.pack(">QB", len(body) if size is None else size, ord(kind)) + body

def agent(data=b""):
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(20)
    link.connect(AGENT)
    link.sendall(data)
    return link

def answer(link):
    """What the agent says before it closes."""
    data = b""
    try:
        while len(data) < 1 << 20:
            chunk = link.recv(65536)
            if not chunk: return data or "closed"
            data += chunk
    except OSError as error: return data or ("closed" if said(error) in ("ECONNRESET", "EPIPE") else said(error))
    return data
`
