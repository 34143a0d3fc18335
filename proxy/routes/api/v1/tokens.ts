import type { App } from '../../../app.ts'
import { makeExecToken } from '../../../exec-token.ts'
import { answers, TokenBody, tokenRequestBody } from '../../../schemas.ts'
import type { Service } from '../../../service.ts'

export function addTokens(app: App, { servers, signer, settings: { tokens } }: Service): void {
  app.post(
    '/tokens',
    {
      config: { freshIdentity: true },
      schema: {
        tags: ['you'],
        summary: 'Make an exec token',
        description: 'For the broker: for all your servers, or for the one that you name.',
        body: tokenRequestBody(tokens.maxExecSeconds),
        response: answers({ 201: TokenBody }),
      },
      // Nothing in the body is required, so the body is not either.
      preValidation: async (request) => {
        request.body ??= {}
      },
    },
    async ({ grant: { user }, body: { server, lifetimeSeconds }, log }, reply) => {
      if (server !== undefined) await servers.get(user, server)
      const claims = { user: user.name, ...(server !== undefined && { server }) }
      const token = await makeExecToken(signer, tokens, claims, log, lifetimeSeconds)
      return reply.code(201).send(token)
    },
  )
}
