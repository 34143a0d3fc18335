"""A user of `rexec local`, with the unmodified client: starts a server, leaves a daemon behind, and then a call that goes on."""

import os
import sys

from rexec.client_api import remote_func


@remote_func
def leave_a_daemon():
    import os, time

    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        pid = os.fork()
        if pid:
            os.write(writer, b"%d" % pid)
            os._exit(0)
        os.chdir("/")
        for fd in range(3):
            os.dup2(os.open(os.devnull, os.O_RDWR), fd)
        os.closerange(3, 256)
        time.sleep(600)
        os._exit(0)
    os.close(writer)
    return int(os.read(reader, 20))


@remote_func
def go_on():
    import os, subprocess, time

    child = subprocess.Popen(["sleep", "600"])
    print("running", os.getpid(), child.pid, flush=True)
    time.sleep(600)


url, broker, token, requirements = (os.environ[name] for name in ("URL", "BROKER", "TOKEN", "REQUIREMENTS"))
remote_func.set_api_url(url + "/spawn")
remote_func.set_remote_addr(broker.split(":")[0])
remote_func.set_remote_port(broker.split(":")[1])
remote_func.set_environment(requirements, token)
print("daemon", leave_a_daemon(), flush=True)
if "--go-on" in sys.argv:
    go_on()
