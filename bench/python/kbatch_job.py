"""Prints what the kbatch client of this environment sends to POST /jobs/: once with a command alone, once with code."""

import base64
import json
import tempfile

from kbatch._backend import make_configmap, make_job
from kbatch._types import Job

job = Job(name="bench", image="python:3.12-slim", command=["python"], args=["-c", "pass"])
with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
    file.write("print('hello')\n")
    file.flush()
    code = make_configmap(file.name, generate_name=job.name).to_dict()
# As kbatch._core.submit_job does.
code["binary_data"]["code"] = base64.b64encode(code["binary_data"]["code"]).decode("ascii")
body = {"job": make_job(job, profile={}).to_dict()}
print(json.dumps({"command": body, "code": {**body, "code": code}}))
