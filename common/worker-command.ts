/**
 * The worker's whole command: it waits for the agent's socket, reads worker.py from it and becomes that program.
 * So any image with a Python will do, and no image of ours has to match the agent's version.
 * The agent answers the byte "W" with a 4-byte big-endian length and the source (docs/protocol.md, section 4).
 * SIGTERM has a handler from the start, because the first process of a container ignores signals without one.
 */
const BOOTSTRAP = `
import signal, socket, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
path = sys.argv[1]
for _ in range(1200):
    link = socket.socket(socket.AF_UNIX)
    try:
        link.connect(path)
        link.sendall(b"W")
        stream = link.makefile("rb")
        size = int.from_bytes(stream.read(4), "big")
        source = stream.read(size)
        stream.close()
        if 0 < size == len(source):
            break
    except OSError:
        pass
    link.close()
    time.sleep(0.05)
else:
    sys.exit("rexec: no agent at " + path)
link.close()
exec(compile(source, "rexec-worker.py", "exec"), {"__name__": "rexec_worker", "BOOTSTRAP": BOOTSTRAP})
`

/** The command for a worker that finds its agent at `socketPath`, run by the interpreter `python`. */
export function workerCommand(python: string, socketPath: string): string[] {
  const source = `BOOTSTRAP = ${JSON.stringify(BOOTSTRAP)}\nexec(BOOTSTRAP)`
  return [python, '-u', '-c', source, socketPath]
}
