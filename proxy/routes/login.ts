import formbody from '@fastify/formbody'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { RexecError } from '../../common/errors.ts'
import type { App } from '../app.ts'
import { auditDone, audited } from '../audit.ts'
import { messagePage } from '../page/message.ts'
import { pageHeaders } from '../plugins/headers.ts'
import type { Service } from '../service.ts'
import { isOwnWindow } from '../session/browser.ts'
import type { Logins } from '../session/logins.ts'
import { hubCookieOf } from '../session/session.ts'

/** The provider may add parameters (RFC 6749, 4.1.2), which are passed over. */
const CallbackQuery = Type.Object({
  code: Type.Optional(Type.String({ maxLength: 1024 })),
  state: Type.Optional(Type.String({ maxLength: 256 })),
  error: Type.Optional(Type.String({ maxLength: 1024 })),
})

/** What the page has been given for it; a service worker of another page may see it, which is then good for nothing else. */
const LogoutForm = Type.Object({ shown: Type.String({ maxLength: 4096 }) }, { additionalProperties: false })

/** A browser logs in at the hub: GET /login -> the hub -> GET /oauth_callback -> the page. POST /logout ends it. */
export function addLogin(app: App, service: Service, logins: Logins): void {
  const { identities, authorize, sessions, settings } = service
  const { prefix } = settings
  /** HEAD must not log in anybody. */
  const route = { exposeHeadRoute: false, config: { forPeople: true } }

  app.addHook('onRequest', async (request) => {
    if (request.method === 'GET' && !isOwnWindow(request, settings)) {
      throw new RexecError(
        'login_failed',
        'A login takes place in a window of its own, in an up-to-date browser.',
      )
    }
  })

  app.get(
    '/login',
    { ...route, schema: { hide: true, querystring: loginQuery(prefix) } },
    async (request, reply) =>
      reply.redirect(await logins.begin(request, reply, request.query.next ?? `${prefix}/`)),
  )

  app.get(
    '/oauth_callback',
    { ...route, schema: { hide: true, querystring: CallbackQuery } },
    async (request, reply) => {
      const { token, seconds, next } = await logins.finish(request, reply, request.query)
      const cookie = hubCookieOf(request)
      const user = await identities.authenticate(token, { ...(cookie && { cookie }) })
      await refuseBeside(request, user.name, cookie)
      await audited(request.log, { action: 'session.begin', user: user.name }, async () => {
        request.grant = authorize(user)
        await sessions.begin(request, reply, token, seconds)
        return { outcome: 'begun' }
      })
      return reply.redirect(next)
    },
  )

  /** A page of a server that the user has visited can have begun a login as somebody else, and end it here. */
  async function refuseBeside(request: FastifyRequest, name: string, cookie = ''): Promise<void> {
    const session = await sessions.read(request)
    if (!session) return
    const other = await identities.authenticate(session.token, { fresh: true, cookie }).catch((error) => {
      if (error instanceof RexecError && error.status < 500) return undefined
      throw error
    })
    if (other && other.name !== name) {
      throw new RexecError('login_failed', 'Somebody else is logged in here. Log out first.')
    }
  }

  app.removeAllContentTypeParsers()
  app.register(formbody, { bodyLimit: settings.limits.bodyBytes })
  app.post('/logout', { ...route, schema: { hide: true, body: LogoutForm } }, async (request, reply) => {
    const user = await sessions.openLogout(request.body.shown)
    if (user === undefined) throw new RexecError('token_invalid', 'Your session is over.')
    sessions.end(request, reply)
    auditDone(request.log, { action: 'session.end', user }, 'ended')
    // There the token ends as well, which this service has no right to revoke. Not by a redirect: the page's policy for
    // forms would have to name whatever host the hub sends the browser on to.
    reply.header('refresh', `0; url=${logins.logoutUrl}`)
    return reply.headers(pageHeaders()).send(loggedOut(logins.logoutUrl))
  })
}

function loggedOut(hub: string): string {
  return messagePage({
    title: 'You are logged out of rexec',
    paragraphs: ['The hub logs you out as well, with all of its services.'],
    links: [{ text: 'Go on', href: hub }],
  })
}

/** Plain paths below the prefix: nothing that a browser could read as another host or as a way out. */
function loginQuery(prefix: string) {
  const part = '(?!\\.{1,2}(/|$))[\\w.~-]+'
  return Type.Object(
    {
      next: Type.Optional(
        Type.String({
          maxLength: 512,
          pattern: `^${prefix.replaceAll('.', '\\.')}/(${part}(/${part})*/?)?$`,
        }),
      ),
    },
    { additionalProperties: false },
  )
}
