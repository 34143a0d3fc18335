import formbody from '@fastify/formbody'
import { RexecError } from '../../../common/errors.ts'
import type { App } from '../../app.ts'
import { prove } from '../../plugins/authenticate.ts'
import type { Service } from '../../service.ts'
import { addBrokerConfig } from './broker-config.ts'
import { addSpawn } from './spawn.ts'
import { addStatus } from './status.ts'
import { addTerminate } from './terminate.ts'

/**
 * The Rexec API as its clients call it: scidx-rexec 0.0.8 and 0.1.0, ndp-ep 0.9.0. Bodies are forms, and the token may be
 * a field of the form.
 */
export function addRexec(app: App, service: Service): void {
  addStatus(app, service)
  app.register(async (app: App) => {
    app.removeAllContentTypeParsers()
    await app.register(formbody, { bodyLimit: service.settings.limits.bodyBytes })
    app.addHook('preValidation', async (request) => {
      const inForm = formToken(request.body)
      if (inForm !== undefined && request.token !== undefined && inForm !== request.token) {
        throw new RexecError('body_invalid', 'The form and the Authorization header hold different tokens.')
      }
      request.token ??= inForm
      await prove(request, service)
    })
    addSpawn(app, service)
    addTerminate(app, service)
    addBrokerConfig(app, service)
  })
}

function formToken(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || !('token' in body)) return undefined
  if (typeof body.token === 'string') return body.token || undefined
  throw new RexecError('body_invalid', 'The form has more than one token.')
}
