"""A peer: upstream's way at its best, a ROUTER/ROUTER broker on pyzmq that remembers tokens and asks nobody.

Prints where it listens and runs until it is ended.
"""

import json

import zmq

SERVER = b"alice"  # the name that native/echo.c takes

context = zmq.Context()
clients = context.socket(zmq.ROUTER)
servers = context.socket(zmq.ROUTER)
poller = zmq.Poller()
for socket in (clients, servers):
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.bind("tcp://127.0.0.1:*")
    poller.register(socket, zmq.POLLIN)
addresses = {
    "client": clients.getsockopt_string(zmq.LAST_ENDPOINT),
    "server": servers.getsockopt_string(zmq.LAST_ENDPOINT),
}
print(json.dumps(addresses), flush=True)

users = {}
while True:
    ready = dict(poller.poll())
    if clients in ready:
        frames = clients.recv_multipart()
        delimiter = frames.index(b"")
        user = users.setdefault(frames[delimiter + 1].decode(), SERVER)
        servers.send_multipart([user, *frames[: delimiter + 1], *frames[delimiter + 2 :]])
    if servers in ready:
        clients.send_multipart(servers.recv_multipart()[1:])
