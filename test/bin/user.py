"""A user of `rexec local` with the unmodified client, whose call starts a subprocess and a daemon and goes on for ever."""

import os

from rexec.client_api import remote_func


@remote_func
def go_on():
    import os, subprocess, time

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
    daemon = int(os.read(reader, 20))
    subprocess_ = subprocess.Popen(["sleep", "600"])
    print("running", os.getpid(), subprocess_.pid, daemon, flush=True)
    time.sleep(600)


url, broker, token, requirements = (os.environ[name] for name in ("URL", "BROKER", "TOKEN", "REQUIREMENTS"))
remote_func.set_api_url(url + "/spawn")
remote_func.set_remote_addr(broker.split(":")[0])
remote_func.set_remote_port(broker.split(":")[1])
remote_func.set_environment(requirements, token)
go_on()
