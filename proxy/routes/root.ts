import { Type } from 'typebox'
import { version } from '../../common/version.ts'
import type { App } from '../app.ts'
import { answers } from '../schemas.ts'

const Index = Type.Object({
  service: Type.String(),
  version: Type.String(),
  links: Type.Record(Type.String(), Type.String(), { description: 'Paths below this address.' }),
})

/** GET / says what is here. */
export function addRoot(app: App): void {
  app.get(
    '/',
    {
      schema: { tags: ['service'], security: [], summary: 'What is here', response: answers({ 200: Index }) },
    },
    () => ({
      service: 'rexec',
      version,
      links: { api: 'api/v1', docs: 'docs', openapi: 'openapi.json', health: 'healthz', ready: 'readyz' },
    }),
  )
}
