import type { Attack } from './attack.ts'

/** What a function can use up. */
export const resources: Attack[] = [
  {
    tried: 'a fork bomb',
    must: "stopped by the kubelet's limit on the processes of a pod (here 200), and cleared away with its call",
    code: `
children = 0
while children < 5000:
    try: pid = os.fork()
    except OSError as error: return "%s after %s" % (said(error), "fewer than 200" if children < 200 else children)
    if pid == 0:
        time.sleep(600)
        os._exit(0)
    children += 1
return "%d processes" % children`,
    held: /^EAGAIN after fewer than 200$/,
  },
  {
    tried: '10,000 threads',
    must: 'stopped by the same limit',
    code: `
stop = threading.Event()
count = 0
try:
    while count < 10000:
        threading.Thread(target=stop.wait, daemon=True).start()
        count += 1
except RuntimeError: return "refused after %s" % ("fewer than 200" if count < 200 else count)
finally: stop.set()
return "%d threads" % count`,
    held: /^refused after fewer than 200$/,
  },
  {
    tried: '10,000 open sockets',
    must: 'they count as memory of the container, and end with the call',
    code: `
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
links = []
outcome = attempt(lambda: [links.append(socket.socketpair()) for _ in range(5000)])
return "opened: " + outcome`,
    held: /^opened: (done|EMFILE|ENFILE|ENOBUFS|ENOMEM)$/,
  },
  {
    tried: 'inotify, of which the kernel has so many for a user id of the node: all of them, for 6 s',
    must: 'counted for the own user id, or the own pod',
    code: `
libc = ctypes.CDLL(None, use_errno=True)
held = []
while len(held) < 5000:
    held.append(libc.inotify_init1(0))
    if held[-1] < 0: break
time.sleep(6)
return "%s after %d" % (errno.errorcode.get(ctypes.get_errno()), len(held))`,
    held: /^EMFILE/,
  },
  {
    tried: 'all cores, by more processes than there are, for 10 s',
    must: 'held to the cores that the server asked for',
    code: `
end = time.monotonic() + 10
for _ in range(8):
    if os.fork() == 0:
        while time.monotonic() < end: pass
        os._exit(0)
for _ in range(8): os.wait()
used = resource.getrusage(resource.RUSAGE_CHILDREN)
share = (used.ru_utime + used.ru_stime) / 10
return "used %s" % ("its share" if share < 0.9 else "%.2f cores" % share)`,
    held: /^used its share$/,
  },
  {
    tried: 'memory, without end',
    must: 'the call ends with the limit in its error; the server goes on',
    code: `
held = []
for _ in range(200): held.append(b"x" * (10 << 20))
return "2 GB"`,
    held: /^raised .*memory/i,
  },
  {
    tried: 'memory by /dev/shm: 200 MB',
    must: 'full at its size (64 MiB), which counts as memory',
    code: `
def fill(descriptor, megabytes):
    for _ in range(megabytes): os.write(descriptor, bytes(1 << 20))
with open("/dev/shm/x", "wb", 0) as file: shared = attempt(fill, file.fileno(), 200)
size = os.path.getsize("/dev/shm/x") >> 20
os.unlink("/dev/shm/x")
return "%s at %d MiB" % (shared, size)`,
    held: /^ENOSPC at 6[0-4] MiB$/,
  },
  {
    tried: 'memory that no process has: 400 MB in files of memory (memfd)',
    must: 'counts for the container: the call ends',
    code: `
descriptor = os.memfd_create("x")
for _ in range(400): os.write(descriptor, bytes(1 << 20))
return "400 MB"`,
    held: /^raised .*memory/i,
    mayEndServer: true,
  },
  {
    tried: "the node's disk past all accounts: 2 GB in the file for the termination message",
    must: "refused at the server's disk limit",
    code: `
def fill():
    with open("/dev/termination-log", "wb") as file: os.posix_fallocate(file.fileno(), 0, 2 << 30)
outcome = attempt(fill)
size = os.path.getsize("/dev/termination-log") >> 20
attempt(os.truncate, "/dev/termination-log", 0)
return "%s at %d MiB" % (outcome, size)`,
    held: /^(EFBIG|ENOSPC|EACCES|EPERM) at \d{1,3} MiB$/,
  },
  {
    tried: "the container's log: 200 MB past the broker, through the worker's own output",
    must: 'the kubelet cuts it at 10 MiB a file, or ends the server for its disk',
    code: `
line = b"x" * 9999 + b"\\n"
with open("/proc/1/fd/1", "wb", 0) as log:
    for _ in range(20000): log.write(line)
return "written"`,
    held: /^(written|raised .*)$/,
    mayEndServer: true,
  },
  {
    tried: 'SIGKILL to all processes that there are',
    must: 'the own ones end; the first process of a container cannot be killed from inside',
    code: `
os.kill(1, signal.SIGKILL)
os.kill(-1, signal.SIGKILL)
time.sleep(1)
return "all killed but this one and the first"`,
    held: /^(all killed but this one and the first|raised .*)$/,
    mayEndServer: true,
  },
  {
    tried: 'disk: 1 GB in /tmp, the home and the folder of the socket',
    must: 'the kubelet ends the server, and the call that ran is told',
    code: `
for path in ("/tmp/1", "/tmp/2", "/home/rexec/1", "/home/rexec/2", "/run/rexec/x"):
    with open(path, "wb") as file: os.posix_fallocate(file.fileno(), 0, 200 << 20)
time.sleep(120)
return "still there"`,
    held: /^raised (?!OSError).*\[\w+\]/,
    mayEndServer: true,
  },
]
