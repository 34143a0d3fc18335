"""The unmodified Rexec client under load. Each line of stdin is a job as JSON, each line of stdout its figures:

{"host", "port", "token", "bytes": of argument and result, "threads", "calls": in all, "pause": seconds after each}
-> {"seconds": for all calls, "latencies": seconds of each}
"""

import json
import sys
import threading
import time

from rexec.client_api import remote_func


@remote_func
def echo(argument):
    return argument


@remote_func
def nothing():
    return None


def measure(job):
    remote_func.set_remote_addr(job["host"])
    remote_func.set_remote_port(job["port"])
    remote_func.set_exec_token(job["token"])
    argument = bytes(job["bytes"])
    latencies = []
    failures = []

    def call():
        begin = time.perf_counter()
        result = echo(argument) if argument else nothing()
        latencies.append(time.perf_counter() - begin)
        time.sleep(job["pause"])
        if result != (argument or None):
            raise RuntimeError("a result is wrong")

    def thread(calls):
        try:
            for _ in range(calls):
                call()
        except Exception as error:  # told to the bench, which stops
            failures.append(str(error))

    threads = [threading.Thread(target=thread, args=[job["calls"] // job["threads"]]) for _ in range(job["threads"])]
    begin = time.perf_counter()
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if failures:
        raise SystemExit(failures[0])
    return {"seconds": time.perf_counter() - begin, "latencies": latencies}


for line in sys.stdin:
    print(json.dumps(measure(json.loads(line))), flush=True)
