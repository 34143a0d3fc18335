import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { Test } from 'tap'
import type { Notebook } from '../../../support/notebook.ts'

/** A call that prints a line and takes an inotify instance each 100 ms, beside it a web server and somebody who counts packets. */
export async function startVictim(t: Test, notebook: Notebook) {
  const ended = notebook.run<{
    ticks: number
    worst: number
    datagrams: number
    requests: number
    refused: number
  }>(`
    def work():
        import ctypes, http.server, os, socket, threading, time, urllib.request
        counts = {"ticks": 0, "worst": 0, "datagrams": 0, "requests": 0, "refused": 0}
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                counts["requests"] += 1
                self.send_response(204)
                self.end_headers()
            def log_message(self, *_): pass
        server = http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        packets = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        packets.bind(("0.0.0.0", 9999))
        def count():
            while packets.recv(100): counts["datagrams"] += 1
        threading.Thread(target=count, daemon=True).start()
        address = socket.gethostbyname(socket.gethostname())
        urllib.request.urlopen("http://%s:8000/" % address).close()
        print("serving on", address, flush=True)
        libc = ctypes.CDLL(None)
        last = time.monotonic()
        while not os.path.exists("/tmp/enough"):
            print("tick", counts["ticks"], flush=True)
            counts["ticks"] += 1
            watch = libc.inotify_init1(0)
            counts["refused"] += watch < 0
            if watch >= 0: os.close(watch)
            time.sleep(0.1)
            now = time.monotonic()
            counts["worst"], last = max(counts["worst"], now - last), now
        return counts
    remote_func(work)()`)
  ended.catch(() => undefined)
  const [, address] = await Promise.race([
    notebook.stdout.until(/^serving on ([\d.]+)$/m),
    ended.then(() => Promise.reject(new Error('ended before it served'))),
  ])
  let standstill = 0
  let since = performance.now()
  let length = 0
  const watch = setInterval(() => {
    const now = performance.now()
    standstill = Math.max(standstill, now - since)
    if (notebook.stdout.text.length > length) since = now
    length = notebook.stdout.text.length
  }, 100)
  t.teardown(() => clearInterval(watch))
  return {
    address: address!,
    /** The longest time without a line so far, in milliseconds. */
    standstill: () => Math.round(standstill),
    /** @param other a notebook of the same user */
    async end(other: Notebook) {
      clearInterval(watch)
      await other.run('def enough(): open("/tmp/enough", "w").close()\nremote_func(enough)()')
      return await ended
    },
  }
}

/** Somebody who listens on a UDP port of the host, and counts. */
export async function countDatagrams(t: Test, host: string) {
  const socket = createSocket('udp4')
  let count = 0
  socket.on('message', () => count++)
  socket.bind(0, host)
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  return Object.assign(() => count, { port: socket.address().port })
}
