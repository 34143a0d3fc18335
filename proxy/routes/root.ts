import { Type } from 'typebox'
import { version } from '../../common/version.ts'
import type { App } from '../app.ts'
import { answers } from '../schemas.ts'
import { wantsPage } from '../session/browser.ts'
import type { ShowPage } from './page.ts'

const Index = Type.Object({
  service: Type.String(),
  version: Type.String(),
  links: Type.Record(Type.String(), Type.String(), { description: 'Paths below this address.' }),
})

/** GET / says what is here: to programs as JSON, to people as a page. */
export function addRoot(app: App, showPage: ShowPage): void {
  app.get(
    '/',
    {
      config: { forPeople: true },
      schema: {
        tags: ['service'],
        security: [],
        summary: 'What is here',
        response: answers({ 200: Index }),
      },
    },
    async (request, reply) => {
      reply.header('vary', 'Accept, Cookie, Sec-Fetch-Mode, Sec-Fetch-Dest')
      if (wantsPage(request)) return showPage(request, reply)
      return {
        service: 'rexec',
        version,
        links: { api: 'api/v1', docs: 'docs', openapi: 'openapi.json', health: 'healthz', ready: 'readyz' },
      }
    },
  )
}
