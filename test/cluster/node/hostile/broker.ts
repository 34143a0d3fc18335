import type { Attack } from './attack.ts'

/** What a function can say to the broker, whose port for servers its pod can reach. */
export const broker: Attack[] = [
  {
    tried: 'READY with credentials that are forged, expired, tampered with, or of another kind',
    must: 'each is refused',
    code: `
outcomes = {}
for name, credential in at["forged"].items():
    peer = Broker()
    peer.ready(credential)
    outcomes[name] = " ".join(part.decode()[:20] for part in (peer.listen(5) or [[b"nothing"]])[0][:1])
return summary(outcomes)`,
    held: /^REFUSED$/,
  },
  {
    tried:
      "the credential of the own server, stolen, as one more replica; events for 20,000 calls that are others'",
    must: 'welcome as a replica of the own server; given no call of others, believed in none',
    code: `
peer = Broker()
peer.ready(at["own"])
first = verbs(peer.listen(1))
event = b"\\x80\\x04\\x95\\x00"
for number in range(1, 10001):
    peer.send("EVENT", str(number), "more", event)
    peer.send("EVENT", str(number), "final", event)
heard = set(first + verbs(peer.listen(8))) - {"HEARTBEAT"}
return " ".join(sorted(heard))`,
    held: /^WELCOME$/,
  },
  {
    tried: 'the same, as a replica that never answers the heartbeat and sends half a message of 1 GiB',
    must: 'closed, or left alone; nobody else notices',
    code: `
peer = Broker()
peer.ready(at["own"])
peer.listen(1)
peer.send("EVENT", "1", "more", b"x")
peer.link.sendall(bytes([2]) + struct.pack(">Q", 1 << 30) + bytes(1 << 20))
peer.listen(3)
return "sent"`,
    held: /^(sent|raised .*(ECONNRESET|EPIPE|reset|Broken pipe).*)$/,
  },
  {
    tried: '200 connections to the broker that say nothing, 50 with a greeting only, 50 with noise',
    must: 'they are taken until their time is up; nobody else notices',
    code: `
links = []
def connect():
    links.append(socket.create_connection((at["host"], at["serverPort"]), timeout=5))
outcomes = [attempt(connect) for _ in range(300)]
for link in links[200:250]: attempt(link.sendall, b"\\xff" + bytes(8) + b"\\x7f\\x03\\x01")
for link in links[250:]: attempt(link.sendall, os.urandom(100000))
time.sleep(12)
open_ = 0
for link in links:
    link.setblocking(False)
    try:
        while link.recv(65536): pass
    except BlockingIOError: open_ += 1
    except OSError: pass
return "%d connected, %d still open" % (len(links), open_)`,
    held: /^\d+ connected, 0 still open$/,
  },
  {
    tried: 'a flood of output through the same broker, for 12 s or 100 MB',
    must: "it goes as fast as its own client reads; other users' output goes on",
    code: `
line = "x" * 999 + "\\n"
end = time.monotonic() + 12
written = 0
while written < 100 and time.monotonic() < end:
    sys.stdout.write(line * 1000)
    written += 1
sys.stdout.flush()
return "printed %s MB" % ("some" if written else "no")`,
    held: /^printed some MB$/,
  },
]
