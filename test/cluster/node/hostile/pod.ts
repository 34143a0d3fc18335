import type { Attack } from './attack.ts'

/** x86-64 and arm64 number their system calls differently. */
const CALLS = `
calls = {
    "x86_64": dict(mount=165, umount2=166, unshare=272, setns=308, pivot_root=155, chroot=161, ptrace=101, bpf=321,
        perf_event_open=298, userfaultfd=323, keyctl=250, add_key=248, request_key=249, init_module=175, kexec_load=246,
        open_by_handle_at=304, reboot=169, swapon=167, acct=163, settimeofday=164, clone3=435, fsopen=430, quotactl=179,
        iopl=172, syslog=103),
    "aarch64": dict(mount=40, umount2=39, unshare=97, setns=268, pivot_root=41, chroot=51, ptrace=117, bpf=280,
        perf_event_open=241, userfaultfd=282, keyctl=219, add_key=217, request_key=218, init_module=105, kexec_load=104,
        open_by_handle_at=265, reboot=142, swapon=224, acct=89, settimeofday=170, clone3=435, fsopen=430, quotactl=60,
        syslog=116),
}[os.uname().machine]`

/** What a function finds in its pod, and what it can do to the kernel and to the agent. */
export const pod: Attack[] = [
  {
    tried: "the agent's credential: its file, and anything like it in files, environments and command lines",
    must: 'found nowhere',
    code: `
found = []
def look(path):
    try:
        with open(path, "rb") as file: content = file.read(1 << 20)
    except OSError: return
    if b"rexec-server+jwt" in content or b"cmV4ZWMtc2VydmVy" in content or b"eyJhbGciOiJFZERTQSI" in content:
        found.append(path)
for pattern in ("/proc/[0-9]*/environ", "/proc/[0-9]*/cmdline", "/proc/[0-9]*/root/etc/rexec/*", "/etc/rexec/**"):
    for path in glob.glob(pattern, recursive=True): look(path)
own = os.path.join(os.environ["HOME"], "environments")
for top in ("/run", "/var/run", "/tmp", "/home", "/dev/shm", "/mnt", "/var/lib", "/etc"):
    for folder, folders, files in os.walk(top):
        if not folder.startswith(own):
            for name in files:
                path = os.path.join(folder, name)
                if os.path.isfile(path): look(path)
return "%s, /etc/rexec: %s" % (found, attempt(os.listdir, "/etc/rexec"))`,
    held: /^\[\], \/etc\/rexec: ENOENT$/,
  },
  {
    tried: "the agent's process, for signals or a debugger: in /proc, as the peer of its socket",
    must: 'there are no processes but those of the own container',
    code: `
programs = [open(path).read().split("\\0")[0] for path in glob.glob("/proc/[0-9]*/cmdline")]
strangers = [each for each in programs if each and not os.path.basename(each).startswith("python")]
peer = struct.unpack("3i", agent().getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
return "%s, peer %d, first process: %s" % (strangers, peer, "python" in open("/proc/1/cmdline").read())`,
    held: /^\[\], peer 0, first process: True$/,
  },
  {
    tried: 'the worker socket as a second parent, with a failure to report',
    must: 'closed without an answer',
    code: `return answer(agent(b"P" + message("H", b'{"python": "3.13"}') + message("F", b'{"code": "x", "detail": "x"}')))`,
    held: /^closed$/,
  },
  {
    tried: 'the worker socket: the source (W), again and again',
    must: 'worker.py, which everybody may read, and no setting',
    code: `
texts = [answer(agent(b"W")) for _ in range(20)]
return "%d, credential: %s" % (len({each for each in texts}), any(b"eyJ" in each for each in texts))`,
    held: /^1, credential: False$/,
  },
  {
    tried: 'the worker socket: noise, lengths beyond all memory, 3,000 connections',
    must: 'closed; the next call works',
    code: `
links = []
for data in (os.urandom(100000), b"C" + message("H", b"", (1 << 63) - 1) + bytes(100000), b"P" + bytes(100000),
             b"C" + message("H", b"[]"), b"\\xff" * 10, b"C" + message("H", b'{"pid": -1}'), b"C" + message("D", b"x")):
    attempt(lambda: links.append(agent(data)))
resource.setrlimit(resource.RLIMIT_NOFILE, (min(4000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
for _ in range(3000): attempt(lambda: links.append(agent()))
return "tried"`,
    held: /^tried$/,
  },
  {
    tried: 'the files of the image, setuid, device nodes, the folders of the node',
    must: 'refused',
    code: `
def write(path):
    with open(path, "w") as file: file.write("x")
def setuid():
    with open("/tmp/id", "w") as file: file.write("#!/bin/sh\\nid -u")
    os.chmod("/tmp/id", 0o4755)
    if os.geteuid() != 0: raise PermissionError(errno.EPERM, "")
outcomes = {path: attempt(write, path) for path in ("/x", "/etc/passwd", "/usr/bin/python3", "/usr/lib/x", "/var/x", "/root/x",
    "/etc/hosts", "/etc/resolv.conf", "/dev/x", "/host/x", "/var/lib/kubelet/x", "/run/containerd/containerd.sock")}
outcomes.update({"root": attempt(os.setuid, 0), "su": attempt(setuid), "mknod": attempt(os.mknod, "/tmp/sda", 0o60600, os.makedev(8, 0)),
    "chroot": attempt(os.chroot, "/tmp"), "chown": attempt(os.chown, "/tmp", 0, 0)})
wrong = {name: each for name, each in outcomes.items() if each not in ("EPERM", "EACCES", "EROFS", "ENOENT", "ENXIO")}
return str(wrong or "refused")`,
    held: /^refused$/,
  },
  {
    tried: 'setuid programs of the image (su, mount, passwd, chsh)',
    must: 'no new privileges: they run as the user that everything runs as',
    code: `
status = open("/proc/self/status").read()
fields = {line.split(":")[0]: line.split(":")[1].strip() for line in status.splitlines()}
return "NoNewPrivs %(NoNewPrivs)s, CapEff %(CapEff)s, CapBnd %(CapBnd)s, Seccomp %(Seccomp)s" % fields`,
    held: /^NoNewPrivs 1, CapEff 0{16}, CapBnd 0{16}, Seccomp 2$/,
  },
  {
    tried:
      'system calls on mounts, namespaces, keys, BPF, modules, the clock, and what else opens the kernel',
    must: 'refused by seccomp or for want of capabilities',
    code: `${CALLS}
fork = {}
for name, number in calls.items():
    if name in ("ptrace", "clone3"): continue
    fork[name] = attempt(syscall, number, 0, 0, 0, 0, 0)
fork["user namespace"] = attempt(syscall, calls["unshare"], 0x10000000)
fork["mount namespace"] = attempt(syscall, calls["unshare"], 0x00020000)
wrong = {name: each for name, each in fork.items() if each not in ("EPERM", "ENOSYS", "EACCES")}
return str(wrong or "refused")`,
    held: /^refused$/,
  },
  {
    tried: 'interfaces of the kernel: sysrq, memory, sysctl, control groups, oom_score_adj, core patterns',
    must: 'not there, read-only or refused',
    code: `
def write(path, text="1"):
    with open(path, "w") as file: file.write(text)
def read(path):
    with open(path, "rb") as file: return file.read(1)
outcomes = {}
for path in ("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/sys/kernel/panic",
        "/sys/kernel/uevent_helper", "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/memory/release_agent",
        "/sys/power/state", "/sys/class/net/eth0/ifalias", "/sys/kernel/security/x"):
    outcomes[path] = attempt(write, path)
for path in ("/proc/kcore", "/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/kvm", "/dev/fuse", "/dev/net/tun"):
    outcomes[path] = attempt(read, path) if os.path.exists(path) and os.path.getsize(path) else "ENOENT"
outcomes["oom"] = attempt(write, "/proc/self/oom_score_adj", "-1000")
wrong = {name: each for name, each in outcomes.items() if each not in ("EPERM", "EACCES", "EROFS", "ENOENT", "ENXIO")}
return str(wrong or "refused")`,
    held: /^refused$/,
  },
  {
    tried: 'the keys of the kernel, which are one set for a user id, whatever the pod',
    must: 'refused by seccomp',
    code: `${CALLS}
return summary({"key": attempt(syscall, calls["add_key"], ctypes.c_char_p(b"user"), ctypes.c_char_p(b"k"), ctypes.c_char_p(b"v"), 1, -4),
    "session": attempt(syscall, calls["keyctl"], 0, -4, 0)})`,
    held: /^(EPERM|ENOSYS)$/,
  },
]
