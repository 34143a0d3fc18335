"""Real libzmq on both ports of a broker: prints what happened as one line of JSON."""

import json
import os
import sys
import threading

import zmq
from zmq.utils.monitor import recv_monitor_message

client_address, server_address, token, credential = sys.stdin.read().split()
context = zmq.Context()
welcomed = threading.Event()


def serve():
    """A server that sends each call's arguments back, long ones in parts."""
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.LINGER, 0)
    socket.connect(server_address)
    info = json.dumps({"concurrency": 1000, "state": "ready"}).encode()
    socket.send_multipart([b"READY", b"1", credential.encode(), info])
    assert socket.recv_multipart()[0] == b"WELCOME"
    welcomed.set()
    streams = {}
    while True:
        verb, *rest = socket.recv_multipart()
        if verb == b"CALL" and len(rest) == 3:
            socket.send_multipart([b"EVENT", rest[0], b"final", rest[2]])
        elif verb == b"CALL":
            streams[rest[0]] = []
        elif verb == b"FRAME":
            streams[rest[0]].append([int(rest[1]), rest[2]])
        elif verb == b"PART":
            streams[rest[0]][-1][1] += rest[1]
        frames = streams.get(rest[0], []) if rest else []
        if len(frames) == 2 and all(size == len(data) for size, data in frames):
            answer(socket, rest[0], streams.pop(rest[0])[1][1])


def answer(socket, call, data):
    socket.send_multipart([b"EVENT", call, b"final"])
    part = 1024 * 1024
    for at in range(0, len(data), part):
        head = [b"PART", call] if at else [b"FRAME", call, str(len(data)).encode()]
        socket.send_multipart(head + [data[at : at + part]])


def client(kind, **options):
    socket = context.socket(kind)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.RCVTIMEO, 60000)
    for name, value in options.items():
        if hasattr(zmq, name):  # pyzmq 22 has no METADATA
            socket.setsockopt(getattr(zmq, name), value)
    monitor = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    socket.connect(client_address)
    return socket, monitor


def echoes(socket, sizes):
    for size in sizes:
        data = os.urandom(size)
        socket.send_multipart([b"", token.encode(), b"function", data])
        if socket.recv_multipart() != [b"", data]:
            return f"{size} bytes came back wrong"
    return "same"


threading.Thread(target=serve, daemon=True).start()
assert welcomed.wait(60)  # a call that comes before the server is another test's matter
result = {"pyzmq": zmq.__version__, "libzmq": zmq.zmq_version()}

dealer, monitor = client(zmq.DEALER, IDENTITY=b"alice", METADATA=b"X-Purpose:test")
million = 1024 * 1024
result["dealer"] = echoes(dealer, [0, 1, 254, 255, 256, 257, 65535, 65536, million - 300, million, 3 * million + 1])

for number in range(1000):
    dealer.send_multipart([b"hop", b"", token.encode(), b"f", str(number).encode()])
result["pipelined"] = [dealer.recv_multipart() for _ in range(1000)] == [
    [b"hop", b"", str(number).encode()] for number in range(1000)
]

req, _ = client(zmq.REQ)
answers = []
for number in range(3):
    req.send_multipart([token.encode(), b"f", str(number).encode()])
    answers.append(req.recv_multipart())
result["req"] = answers == [[b"0"], [b"1"], [b"2"]]

# Both sides ping: the broker after 0.3 s of silence, libzmq every 0.1 s. Nobody leaves, though each would after 1.5 s
# without an answer.
pinging, pinging_monitor = client(zmq.DEALER, HEARTBEAT_IVL=100, HEARTBEAT_TIMEOUT=1500)
result["pinging"] = echoes(pinging, [10])
poller = zmq.Poller()
for one in (monitor, pinging_monitor):
    poller.register(one, zmq.POLLIN)
result["disconnected"] = [recv_monitor_message(one)["event"] for one, _ in poller.poll(2200)]
result["after"] = [echoes(dealer, [10]), echoes(pinging, [10])]

subscriber, refused = client(zmq.SUB)
result["subscriber refused"] = refused.poll(10000) != 0
print(json.dumps(result), flush=True)
os._exit(0)
