import { Type } from 'typebox'
import type { App } from '../../../app.ts'
import { brokerOf } from '../../../broker-address.ts'
import { makeExecToken } from '../../../exec-token.ts'
import {
  answers,
  ServerList,
  ServerParams,
  ServerRequestBody,
  ServerStatusBody,
  StartedBody,
} from '../../../schemas.ts'
import type { Service } from '../../../service.ts'

const tags = ['servers']

export function addServers(app: App, { servers, settings, signer }: Service): void {
  app.post(
    '/servers',
    {
      config: { freshIdentity: true },
      schema: {
        tags,
        summary: 'Start a server, or use the running one again',
        description:
          'Answers at once; follow /servers/{name}/events until it is ready. 200: a running server with the same ' +
          'environment is used again. 409: another one runs; "replace": true replaces it.',
        body: ServerRequestBody,
        response: answers({ 200: StartedBody, 201: StartedBody }),
      },
    },
    async ({ grant, body, log }, reply) => {
      const { outcome, server } = await servers.start(grant, body, log)
      const claims = { user: grant.user.name, server: server.name }
      const exec = await makeExecToken(signer, settings.tokens, claims, log)
      reply.code(outcome === 'reused' ? 200 : 201)
      return { server, broker: brokerOf(settings), ...exec }
    },
  )

  app.get(
    '/servers',
    { schema: { tags, summary: 'List your servers', response: answers({ 200: ServerList }) } },
    async ({ grant }) => ({ servers: await servers.list(grant.user) }),
  )

  app.get(
    '/servers/:name',
    {
      schema: {
        tags,
        summary: 'How is this server?',
        params: ServerParams,
        response: answers({ 200: ServerStatusBody }),
      },
    },
    ({ grant, params }) => servers.get(grant.user, params.name),
  )

  app.delete(
    '/servers/:name',
    {
      schema: {
        tags,
        summary: 'Stop this server',
        description: 'Answers when the server is gone and its name is free.',
        params: ServerParams,
        response: answers({ 204: Type.Null({ description: 'Stopped' }) }),
      },
    },
    async ({ grant, params, log }, reply) => {
      await servers.stop(grant.user, params.name, log)
      return reply.code(204).send(null)
    },
  )
}
