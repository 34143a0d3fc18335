import { setTimeout as sleep } from 'node:timers/promises'
import { isQuotaUncounted } from './api-error.ts'

/** The quota controller looks at a new quota in a fraction of this time. */
const WAIT_MS = 5000
const POLL_MS = 50

/** Makes something that a quota may limit. @throws what `create` throws; the last time isQuotaUncounted() */
export async function onceCounted<T>(create: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + WAIT_MS
  for (;;) {
    try {
      return await create()
    } catch (error) {
      if (!isQuotaUncounted(error) || performance.now() >= deadline) throw error
      await sleep(POLL_MS)
    }
  }
}
