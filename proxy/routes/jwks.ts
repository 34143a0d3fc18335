import { type Static, Type } from 'typebox'
import type { App } from '../app.ts'
import { answers } from '../schemas.ts'
import type { Service } from '../service.ts'

/** Seconds for which whoever stands between may keep the answer. Brokers ask past it. */
const MAX_AGE = 300

const JwkSet = Type.Object({
  keys: Type.Array(
    Type.Object({
      kty: Type.String(),
      crv: Type.String(),
      x: Type.String(),
      kid: Type.String(),
      alg: Type.String(),
      use: Type.String(),
    }),
  ),
})

/** GET /.well-known/jwks.json: the public keys that prove exec tokens and server credentials. */
export function addJwks(app: App, { signer }: Service): void {
  app.get(
    '/.well-known/jwks.json',
    {
      schema: {
        tags: ['service'],
        security: [],
        summary: 'Public keys of the tokens made here',
        response: answers({
          200: { description: 'Keys', content: { 'application/jwk-set+json': { schema: JwkSet } } },
        }),
      },
    },
    async (_request, reply) => {
      reply.header('cache-control', `public, max-age=${MAX_AGE}`).type('application/jwk-set+json')
      return signer.publicKeys as Static<typeof JwkSet>
    },
  )
}
