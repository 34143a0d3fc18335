import type { Attack } from './attack.ts'

const UNREACHED = /^(timeout|EHOSTUNREACH|ENETUNREACH)$/
const must = 'nothing answers'

/** What a function of one user can reach. */
export const network: Attack[] = [
  {
    tried: 'the broker for servers, the package index and DNS, which are allowed',
    must: 'they answer, so what does not is kept away by a rule',
    code: `
socket.getaddrinfo("kubernetes.default.svc.cluster.local", 443)
return reached((at["host"], at["serverPort"]), tuple(at["index"]))`,
    held: /^reached$/,
  },
  {
    tried: 'a token and an address of the API server in environment and files',
    must: 'no token; the address that Kubernetes always puts there',
    code: `
found = glob.glob("/var/run/secrets/*") + glob.glob("/run/secrets/*") + glob.glob("/root/.kube/*")
names = [name for name in os.environ if "TOKEN" in name or "SECRET" in name or "CREDENTIAL" in name]
return "%s %s" % (found, names)`,
    held: /^\[\] \[\]$/,
  },
  {
    tried: 'the API server: its Service by address and name, its own address and port',
    must,
    code: `return reached(("10.96.0.1", 443), ("kubernetes.default.svc.cluster.local", 443), tuple(at["api"]))`,
    held: UNREACHED,
  },
  {
    tried: 'the node: kubelet (10250, 10255), kube-proxy, containerd, etcd, SSH, by both of its addresses',
    must,
    code: `
gateway = at["pod"].rsplit(".", 1)[0] + ".1"
ports = (22, 2379, 2380, 4194, 9879, 10248, 10249, 10250, 10255, 10256, 10257, 10259)
return reached(*((host, port) for host in (at["node"], gateway) for port in ports))`,
    held: UNREACHED,
  },
  {
    tried: "another user's pod: her own web server, the agent's ready port, others",
    must,
    code: `return reached(*((at["pod"], port) for port in (8000, 5561, 22, 80, 443, 5559, 5560, 8080)))`,
    held: UNREACHED,
  },
  {
    tried: "another user's Service, by its address and by its name in DNS",
    must: 'nothing answers; that the name can be looked up is known',
    code: `return reached((at["service"], 80), (at["serviceName"], 80))`,
    held: UNREACHED,
  },
  {
    tried: 'the parts of rexec on the host: proxy, the port for clients, metrics of the broker',
    must,
    code: `return reached(*((at["host"], at[port]) for port in ("proxyPort", "clientPort", "adminPort")))`,
    held: UNREACHED,
  },
  {
    tried: 'metadata addresses of clouds',
    must,
    code: `return reached(*((host, 80) for host in (
    "169.254.169.254", "169.254.170.2", "169.254.170.23", "168.63.129.16", "100.100.100.200", "192.0.0.192")))`,
    held: UNREACHED,
  },
  {
    tried: 'private ranges',
    must,
    code: `return reached(("10.0.0.1", 80), ("172.16.0.1", 80), ("192.168.0.1", 80), ("198.18.0.1", 80), ("100.64.0.1", 80))`,
    held: UNREACHED,
  },
  {
    tried: 'IPv6: the neighbours on the link, all nodes, the metadata address',
    must,
    code: `
def connect(host):
    with socket.socket(socket.AF_INET6) as link:
        link.settimeout(3)
        link.connect((host, 80, 0, 2 if host.startswith(("fe80", "ff02")) else 0))
return summary(together([("fe80::1",), ("ff02::1",), ("fd00:ec2::254",), ("2001:db8::1",)], connect))`,
    held: /^((\S+: )?(timeout|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|EAFNOSUPPORT|EACCES|EINVAL|ENODEV|ECONNREFUSED)(, )?)+$/,
  },
  {
    tried: "UDP to another user's pod and to the host, 200 packets each (counted there)",
    must: 'sent into nothing: none arrives',
    code: `
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
    for _ in range(200):
        for address in ((at["pod"], 9999), (at["host"], at["hostUdp"])):
            attempt(link.sendto, b"from mallory", address)
return "sent"`,
    held: /^sent$/,
  },
  {
    tried: 'raw packets (ICMP, ARP, any), and ping without them',
    must: 'refused by the kernel, or unanswered',
    code: `
def ping():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as link:
        link.settimeout(2)
        link.sendto(b"\\x08\\0\\0\\0\\0\\0\\0\\0", (at["pod"], 0))
        link.recv(100)
return summary({
    "icmp": attempt(socket.socket, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    "arp": attempt(socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 0x0608),
    "any": attempt(socket.socket, socket.AF_PACKET, socket.SOCK_DGRAM, 0x0300),
    "ping": attempt(ping)})`,
    held: /^(EPERM|icmp: EPERM, arp: EPERM, any: EPERM, ping: (EACCES|EPERM|timeout))$/,
  },
  {
    tried:
      "changing the network of the pod: an address, a route, the filter's rules, another network namespace",
    must: 'refused by the kernel',
    code: `
import fcntl
def address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        fcntl.ioctl(link, 0x8916, struct.pack("16sH2s4s8s", b"eth0", socket.AF_INET, b"", socket.inet_aton(at["pod"]), b""))
def filters():
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as link: link.setsockopt(1, 33, 1 << 30)
return summary({
    "address": attempt(address), "namespace": attempt(syscall, 272, 0x40000000), "buffer": attempt(filters),
    "forwarding": attempt(open, "/proc/sys/net/ipv4/ip_forward", "w")})`,
    held: /^(EPERM|address: EPERM, namespace: EPERM, buffer: EPERM, forwarding: (EROFS|EACCES))$/,
  },
]
