/**
 * Loaded into the proxy (node --import) by the bench: says in the header Server-Timing of each answer how long it
 * waited for Kubernetes and for the identity service. On SIGUSR2 it collects the garbage and prints a line of
 * `Memory`. Times come from the events of undici and node:http, so that the proxy itself is not changed.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe } from 'node:diagnostics_channel'
import type { ServerResponse } from 'node:http'

export interface Memory {
  memory: { rss: number; heapUsed: number; external: number }
  /** Requests to Kubernetes so far but for watches, whoever caused them. */
  kubernetesCalls: number
}

/** Requests of one kind that one answer waited for; what is under way at the same time counts once. */
class Waiting {
  calls = 0
  milliseconds = 0
  #open = 0
  #since = 0

  begin(): void {
    this.calls++
    if (this.#open++ === 0) this.#since = performance.now()
  }

  end(): void {
    if (--this.#open === 0) this.milliseconds += performance.now() - this.#since
  }

  toString(): string {
    return `dur=${this.milliseconds.toFixed(3)};desc="${this.calls}"`
  }
}

/** CPU time of the main thread while an answer waits for nobody; at one request at a time, this answer's alone. */
class OwnCpu {
  #milliseconds = 0
  #open = 0
  #since = threadCpu()

  begin(): void {
    if (this.#open++ === 0) this.#milliseconds += threadCpu() - this.#since
  }

  end(): void {
    if (--this.#open === 0) this.#since = threadCpu()
  }

  toString(): string {
    const rest = this.#open === 0 ? threadCpu() - this.#since : 0
    return `dur=${(this.#milliseconds + rest).toFixed(3)}`
  }
}

function threadCpu(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

interface Waits {
  kubernetes: Waiting
  identity: Waiting
  cpu: OwnCpu
}

const current = new AsyncLocalStorage<Waits>()
const causes = new WeakMap<object, Waits>()
let kubernetesCalls = 0

/** Events of node:diagnostics_channel carry the request under this name. */
function on(channel: string, name: 'request' | 'response', then: (object: object) => void): void {
  subscribe(channel, (message) => then((message as Record<string, object>)[name]!))
}

subscribe('http.server.request.start', (message) => {
  const { response } = message as { response: ServerResponse }
  const waits: Waits = { kubernetes: new Waiting(), identity: new Waiting(), cpu: new OwnCpu() }
  current.enterWith(waits)
  const { writeHead } = response
  response.writeHead = (...args: unknown[]) => {
    const { kubernetes, identity, cpu } = waits
    response.setHeader('server-timing', `kubernetes;${kubernetes}, identity;${identity}, cpu;${cpu}`)
    return Reflect.apply(writeHead, response, args) as ServerResponse
  }
})

on('undici:request:create', 'request', (request) => {
  if ((request as { path: string }).path.includes('watch=')) return
  kubernetesCalls++
  const waits = current.getStore()
  if (waits) causes.set(request, waits)
})
// From here on: waiting for a connection is ours, not the API server's.
on('undici:client:sendHeaders', 'request', (request) => {
  causes.get(request)?.kubernetes.begin()
  causes.get(request)?.cpu.begin()
})
for (const event of ['trailers', 'error']) {
  on(`undici:request:${event}`, 'request', (request) => {
    causes.get(request)?.kubernetes.end()
    causes.get(request)?.cpu.end()
    causes.delete(request)
  })
}

on('http.client.request.start', 'request', (request) => {
  const waits = current.getStore()
  if (!waits) return
  causes.set(request, waits)
  waits.identity.begin()
  waits.cpu.begin()
})
on('http.client.response.finish', 'request', (request) => {
  causes.get(request)?.identity.end()
  causes.get(request)?.cpu.end()
})

process.on('SIGUSR2', () => {
  global.gc?.()
  const { rss, heapUsed, external } = process.memoryUsage()
  const line: Memory = { memory: { rss, heapUsed, external }, kubernetesCalls }
  process.stdout.write(`${JSON.stringify(line)}\n`)
})
