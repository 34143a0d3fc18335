import { createHash, timingSafeEqual } from 'node:crypto'
import { RexecError } from '../../common/errors.ts'
import type { App } from '../app.ts'
import type { Service } from '../service.ts'

/** Lets only brokers in. @throws broker_only */
export function requireBroker(app: App, { settings }: Pick<Service, 'settings'>): void {
  const credential = digest(settings.broker.credential)
  app.addHook('onRequest', async ({ token }) => {
    if (!token) throw new RexecError('token_missing', 'This route wants the broker credential.')
    if (!timingSafeEqual(digest(token), credential)) throw new RexecError('broker_only')
  })
}

/** Of equal length for any two texts, so that comparing them takes the same time. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
