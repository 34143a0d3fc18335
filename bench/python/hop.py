"""The bare hop: a pyzmq ROUTER in the place of broker and server, as little as the client's protocol allows.

`answer` gives every call the same pickled return and END at once, without looking at it. `run` runs the function
right there: what the pickling of a large argument and result costs when nothing stands between.
"""

import json
import sys

import dill
import zmq

RETURN_NONE = dill.dumps({"type": "DATA", "channel": "return", "data": None})
END = dill.dumps({"type": "END"})


def answer(_function, _arguments):
    return RETURN_NONE


def run(function, arguments):
    result = dill.loads(function)(*dill.loads(arguments))
    return dill.dumps({"type": "DATA", "channel": "return", "data": result})


reply = {"answer": answer, "run": run}[sys.argv[1]]
socket = zmq.Context().socket(zmq.ROUTER)
socket.bind("tcp://127.0.0.1:*")
print(json.dumps({"client": socket.getsockopt_string(zmq.LAST_ENDPOINT)}), flush=True)
while True:
    client, delimiter, _token, function, arguments = socket.recv_multipart()
    socket.send_multipart([client, delimiter, reply(function, arguments)])
    socket.send_multipart([client, delimiter, END])
