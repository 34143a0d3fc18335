import type { Static } from 'typebox'
import { RexecError } from '../../../common/errors.ts'
import type { App } from '../../app.ts'
import { answers } from '../../schemas.ts'
import { DEFAULT_NAME } from '../../security-model/server-name.ts'
import type { Service } from '../../service.ts'
import { TerminateForm } from './form.ts'
import { RexecAnswer } from './spawn.ts'

/**
 * DELETE /terminate and DELETE /spawn. Without a server the answer is 200 as well: what was asked for is the case, and the
 * clients take a 404 for a wrong address ("R-Exec API url not found").
 */
export function addTerminate(app: App, { servers }: Service): void {
  for (const url of ['/terminate', '/spawn']) {
    app.delete(
      url,
      {
        schema: {
          tags: ['rexec'],
          summary: 'Stop your server (remote_func.terminate_environment)',
          consumes: ['application/x-www-form-urlencoded'],
          body: TerminateForm,
          response: answers({ 200: RexecAnswer }),
        },
        preValidation: async (request) => {
          request.body ??= {}
        },
      },
      async ({ grant, log }): Promise<Static<typeof RexecAnswer>> => {
        const stopped = await servers.stop(grant.user, DEFAULT_NAME, log).then(
          () => true,
          (error) => {
            if (error instanceof RexecError && error.code === 'server_not_found') return false
            throw error
          },
        )
        return {
          Status: stopped
            ? 'Remote execution server terminated.'
            : 'There was no remote execution server to terminate.',
          Username: grant.user.name,
          NDP_Endpoint_membership: grant.group ?? null,
        }
      },
    )
  }
}
