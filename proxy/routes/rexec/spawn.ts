import { type Static, Type } from 'typebox'
import type { App } from '../../app.ts'
import { explain } from '../../plugins/validation.ts'
import { answers, ServerRequestBody } from '../../schemas.ts'
import type { StartOutcome } from '../../servers.ts'
import type { Service } from '../../service.ts'
import { requestOf, SpawnForm } from './form.ts'

export const RexecAnswer = Type.Object({
  Status: Type.String(),
  Username: Type.String(),
  NDP_Endpoint_membership: Type.Union([Type.String(), Type.Null()], {
    description: 'The group that let you in.',
  }),
  server: Type.Optional(Type.String()),
  phase: Type.Optional(Type.String()),
})

const STATUS: Record<StartOutcome, string> = {
  started: 'Remote execution server created. The first call waits until it is ready.',
  reused: 'Remote execution server with these requirements exists and is used again.',
  replaced: 'Remote execution server replaced. The first call waits until it is ready.',
}

export function addSpawn(app: App, { servers }: Service): void {
  app.post(
    '/spawn',
    {
      config: { freshIdentity: true },
      schema: {
        tags: ['rexec'],
        summary: 'Start your server (remote_func.set_environment)',
        consumes: ['application/x-www-form-urlencoded'],
        body: SpawnForm,
        response: answers({ 200: RexecAnswer }),
      },
    },
    async (request): Promise<Static<typeof RexecAnswer>> => {
      const { grant, body, log } = request
      const wanted = requestOf(body)
      const fits = request.compileValidationSchema(ServerRequestBody, 'body')
      if (!fits(wanted)) throw explain(fits.errors ?? [], 'body')
      const { outcome, server } = await servers.start(grant, wanted, log)
      return {
        Status: STATUS[outcome],
        Username: grant.user.name,
        NDP_Endpoint_membership: grant.group ?? null,
        server: server.name,
        phase: server.phase,
      }
    },
  )
}
