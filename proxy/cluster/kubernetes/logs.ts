import { RexecError } from '../../../common/errors.ts'
import type { LogOptions } from '../cluster.ts'
import type { Api } from './api.ts'
import { ContainerLog, containersOf, type LogLine } from './container-log.ts'
import type { ServerStore } from './store.ts'

/** A server of a user, in the namespace that is the user's. */
export interface ServerPlace {
  namespace: string
  owner: string
  name: string
}

/**
 * Lines of all containers of a server: first what there is, in the order in which it was written; then, with `follow`,
 * what comes, until the server has ended or the signal aborts. Containers that start later join in.
 * @throws server_not_found, cluster_unavailable
 */
export async function* serverLogs(
  api: Pick<Api, 'logLines'>,
  store: ServerStore,
  { namespace, owner, name }: ServerPlace,
  { follow, signal }: LogOptions,
): AsyncGenerator<string> {
  if (!store.get(namespace, owner, name)) throw new RexecError('server_not_found')
  const job = store.job(namespace, name)!
  const logs = new Map<string, ContainerLog>()
  /** Containers that have started since this was last asked. */
  function started(): ContainerLog[] {
    return containersOf(job, store.pods(job)).flatMap((source) => {
      const key = `${source.pod.metadata!.uid} ${source.container}`
      const log = logs.get(key) ?? new ContainerLog(api, store, source)
      if (logs.has(key) || !log.hasStarted) return []
      logs.set(key, log)
      return log
    })
  }
  /** Whether more pods of this very Job may come. */
  function isOver(): boolean {
    const now = store.job(namespace, name)
    const phase = store.get(namespace, owner, name)?.phase
    return now?.metadata?.uid !== job.metadata?.uid || phase === 'stopped' || phase === 'failed'
  }

  // Ends what is still being read when the reader goes.
  const leaving = new AbortController()
  const until = AbortSignal.any([signal, leaving.signal])
  try {
    for await (const { text } of inOrder(started().map((log) => log.past(until)))) yield text
    if (follow) yield* coming([...logs.values()])
  } finally {
    leaving.abort()
  }

  async function* coming(first: ContainerLog[]): AsyncGenerator<string> {
    const next = new Map<AsyncGenerator<LogLine>, Promise<Step>>()
    const take = (lines: AsyncGenerator<LogLine>) =>
      next.set(
        lines,
        lines.next().then((result) => ({ lines, result })),
      )
    for (const log of first) take(log.coming(until))
    let change = store.changed(namespace, until)
    while (!until.aborted) {
      for (const log of started()) take(log.coming(until))
      if (next.size === 0 && isOver()) return
      const step = await Promise.race([...next.values(), change.then(() => undefined)])
      if (!step) {
        change = store.changed(namespace, until)
        continue
      }
      next.delete(step.lines)
      if (step.result.done) continue
      yield step.result.value.text
      take(step.lines)
    }
  }
}

interface Step {
  lines: AsyncGenerator<LogLine>
  result: IteratorResult<LogLine>
}

/** Merges lines that are in order each; only one of each is held at a time. */
async function* inOrder(sources: AsyncGenerator<LogLine>[]): AsyncGenerator<LogLine> {
  const heads = await Promise.all(sources.map(async (lines) => ({ lines, result: await lines.next() })))
  for (;;) {
    const open = heads.filter(({ result }) => !result.done)
    if (open.length === 0) return
    const first = open.reduce((a, b) => (time(b.result.value) < time(a.result.value) ? b : a))
    yield first.result.value
    first.result = await first.lines.next()
  }
}

/** To the millisecond: nodes need not agree better. */
function time({ stamp }: LogLine): number {
  return Date.parse(stamp) || 0
}
