import { RexecError } from '../../../common/errors.ts'
import type { ServerStatus } from '../../pipeline.ts'
import { readStateLine } from '../agent-state.ts'
import { Changes } from '../changes.ts'
import type { Api } from './api.ts'
import { podsToRead } from './container-log.ts'
import type { ServerPlace } from './logs.ts'
import { AGENT } from './names.ts'
import { pause } from './pause.ts'
import { plain } from './plain.ts'
import type { ServerStore } from './store.ts'

/** Lines of an agent's log in which its last word about its state is looked for. */
const TAIL = 100
/** Milliseconds before a log that broke off is asked for again. */
const RETRY = 1000

/**
 * The status now and after each change, until the server has ended or the signal aborts. While it is installing, with
 * what its agents say of it: their logs are read for as long as somebody watches.
 * @throws server_not_found
 */
export async function* watchServer(
  api: Pick<Api, 'logLines'>,
  store: ServerStore,
  { namespace, owner, name }: ServerPlace,
  signal: AbortSignal,
  lines = true,
): AsyncGenerator<ServerStatus> {
  const leaving = new AbortController()
  const until = AbortSignal.any([signal, leaving.signal])
  const uid = store.job(namespace, name)?.metadata?.uid
  let status = store.get(namespace, owner, name)
  if (!status) throw new RexecError('server_not_found')
  let said: Said | undefined
  let change: Promise<void> | undefined
  let last = ''
  try {
    while (!signal.aborted) {
      if (lines && status.phase === 'installing')
        said ??= listen(api, store, { namespace, owner, name }, until)
      else {
        said?.stop()
        said = undefined
      }
      const shown: ServerStatus = said?.message ? { ...status, message: said.message } : status
      const text = JSON.stringify(shown)
      if (text !== last) yield shown
      last = text
      if (shown.phase === 'failed' || shown.phase === 'stopped') return
      change ??= store.changed(namespace, until).finally(() => {
        change = undefined
      })
      await (said ? Promise.race([change, said.changes.wait(until)]) : change)
      const next = store.get(namespace, owner, name)
      const isSame = store.job(namespace, name)?.metadata?.uid === uid
      // Deleted; another of this name may have taken its place.
      status = next && isSame ? next : { ...status, phase: 'stopped', message: 'It was stopped.' }
    }
  } finally {
    leaving.abort()
  }
}

/** What the agents of a server have said last. */
interface Said {
  message: string
  changes: Changes
  stop(): void
}

function listen(
  api: Pick<Api, 'logLines'>,
  store: ServerStore,
  { namespace, name }: ServerPlace,
  signal: AbortSignal,
): Said {
  const stopping = new AbortController()
  const until = AbortSignal.any([signal, stopping.signal])
  const said: Said = { message: '', changes: new Changes(), stop: () => stopping.abort() }

  async function follow(pod: string): Promise<void> {
    while (!until.aborted) {
      try {
        const lines = api.logLines(namespace, pod, AGENT, { follow: true, tailLines: TAIL, signal: until })
        for await (const line of lines) {
          const state = readStateLine(line)
          if (state?.state !== 'installing' || !state.message) continue
          said.message = plain(state.message)
          said.changes.notify()
        }
      } catch {
        // Progress is a courtesy: how the server is, the status says.
      }
      await pause(RETRY, until)
    }
  }

  const job = store.job(namespace, name)
  const pods = job ? podsToRead(job, store.pods(job)) : []
  for (const [, pod] of pods) void follow(pod.metadata!.name!)
  return said
}
