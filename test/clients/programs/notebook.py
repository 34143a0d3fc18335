"""A notebook without a browser: runs cells of Python in __main__, as Jupyter does, for a test that sends them.

stdin: first line a JSON object (url, host, port, token, api), then one JSON string per cell.
File descriptor 3: one JSON object per cell, {"value": ...} of its last expression or {"raised": ..., "message": ...}.
stdout and stderr are the notebook's own. The token comes through stdin: arguments and environment are there for all to read.
"""

import ast
import json
import os
import sys
import tempfile
import textwrap

from rexec.client_api import remote_func

GIVEN = json.loads(sys.stdin.readline())
PYTHON = "python==%d.%d" % sys.version_info[:2]
ANSWERS = os.fdopen(3, "w")


def set_environment(*requirements, **options):
    """Asks for a server, as the user of this client does; returns what the service answered."""
    if GIVEN["api"] == "ndp-ep":
        return ndp_ep().setup_rexec_environment(list(requirements), **options)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(requirements))
        file.flush()
        answer = remote_func.set_environment(file.name, GIVEN["token"], **options)
    return {"status": answer.status_code, **answer.json()}


def terminate():
    if GIVEN["api"] == "ndp-ep":
        return ndp_ep().terminate_rexec_environment()
    answer = remote_func.terminate_environment(GIVEN["url"] + "/terminate")
    return {"status": answer.status_code, **answer.json()}


def ndp_ep():
    from ndp_ep import APIClient

    return APIClient(base_url=GIVEN["url"], token=GIVEN["token"])


def connect():
    """What a user copies from the service's page. ndp-ep asks the service for it."""
    if GIVEN["api"] != "ndp-ep":
        remote_func.set_api_url(GIVEN["url"] + "/spawn")
        remote_func.set_remote_addr(GIVEN["host"])
        remote_func.set_remote_port(GIVEN["port"])


def run(cell):
    *statements, last = ast.parse(textwrap.dedent(cell)).body
    module = globals()
    if not isinstance(last, ast.Expr):
        exec(compile(ast.Module([*statements, last], []), "cell", "exec"), module)
        return None
    exec(compile(ast.Module(statements, []), "cell", "exec"), module)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), module)


def answer(cell):
    try:
        return json.dumps({"value": run(cell)})
    except BaseException as error:  # KeyboardInterrupt is one of them
        return json.dumps({"raised": type(error).__name__, "message": str(error)})


connect()
for line in sys.stdin:
    print(answer(json.loads(line)), file=ANSWERS, flush=True)
