"""Becomes uvicorn with the unmodified kbatch-proxy, on a free port of the loopback interface that it prints before."""

import json
import os
import socket
import sys

listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
listener.set_inheritable(True)
print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
uvicorn = ["-m", "uvicorn", "kbatch_proxy.main:app", "--fd", str(listener.fileno())]
os.execv(sys.executable, [sys.executable, *uvicorn, *sys.argv[1:]])
