import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import formbody from '@fastify/formbody'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { RexecError } from '../../common/errors.ts'
import type { App } from '../app.ts'
import { externalUrl } from '../external-url.ts'
import { messagePage } from '../page/message.ts'
import { connectSource, PUBLIC_FILE, pageHeaders, SANDBOX } from '../plugins/headers.ts'
import type { Service } from '../service.ts'
import { isOwnWindow, isSameOrigin } from '../session/browser.ts'
import { hubCookieOf, type Session } from '../session/session.ts'

const FOLDER = join(import.meta.dirname, '../page')
const TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}
/** What the pages load. */
const LOADED = /(?:href|src)="page\/([\w-]+\.(?:css|js))"/g

/** Answers GET / for a browser. */
export type ShowPage = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>

/**
 * The page for people, with its styles and scripts, from memory. Its HTML holds what proves its requests, so it must go
 * to where no other page of this host can read it. A script or frame that asks for it tells that it does. But of a GET a
 * service worker can get the answer although the browser says that it is for a window; of a POST it cannot. So GET answers
 * with a form that sends itself, and POST with the page, in a sandbox.
 */
export async function addPage(app: App, service: Service): Promise<ShowPage> {
  const hashes = new Map<string, string>()
  for (const name of await readdir(FOLDER)) {
    const type = TYPES[extname(name)]
    if (!type) continue
    const content = await readFile(join(FOLDER, name))
    hashes.set(name, createHash('sha256').update(content).digest('base64'))
    addFile(app, name, type, content, hashes.get(name)!)
  }
  const load = async (name: string) =>
    (await readFile(join(FOLDER, name), 'utf8')).replaceAll(
      LOADED,
      (loads, name) => `${loads} crossorigin integrity="sha256-${hashes.get(name)}"`,
    )
  const [form, html] = [await load('open.html'), await load('index.html')]
  const { sessions, logins, settings } = service

  const showPage: ShowPage = async (request, reply) => {
    const [path] = request.url.split('?', 1)
    if (!path!.endsWith('/')) return reply.redirect(`${settings.prefix}/`, 308)
    const isPost = request.method === 'POST'
    if (!isOwnWindow(request, settings) || (isPost && !isSameOrigin(request, settings))) {
      throw new RexecError('window_required')
    }
    if (!logins) return reply.headers(pageHeaders()).send(withoutLogin(externalUrl(request, settings)))
    const session = await sessions.read(request)
    if (!session || !(await isAlive(session, request, service))) {
      return reply.redirect(await logins.begin(request, reply, `${settings.prefix}/`), 303)
    }
    // Without a referrer policy of its own the form would not say where it comes from; a login may follow it elsewhere.
    if (!isPost)
      return reply.headers({ ...pageHeaders('form-action *'), 'referrer-policy': 'same-origin' }).send(form)
    const { origin = '' } = request.headers
    const [shown, logout] = [await sessions.forPage(session), await sessions.forLogout(session)]
    return reply
      .headers(pageHeaders(`connect-src ${connectSource(origin)}; form-action 'self'; sandbox ${SANDBOX}`))
      .send(html.replace('{{session}}', shown).replace('{{logout}}', logout))
  }

  app.register(async (app: App) => {
    app.removeAllContentTypeParsers()
    await app.register(formbody, { bodyLimit: 1024 })
    app.post('/', { config: { forPeople: true }, schema: { hide: true } }, showPage)
  })
  return showPage
}

/** @throws identity_unavailable, scope_missing, not_allowed */
async function isAlive(
  { token }: Session,
  request: FastifyRequest,
  { identities, authorize }: Service,
): Promise<boolean> {
  try {
    const cookie = hubCookieOf(request)
    request.grant = authorize(await identities.authenticate(token, { ...(cookie && { cookie }) }))
    return true
  } catch (error) {
    if (error instanceof RexecError && error.status === 401) return false
    throw error
  }
}

/** Browsers ask each time whether it has changed, so that page and scripts are of one version. */
function addFile(app: App, name: string, type: string, content: Buffer, hash: string): void {
  const etag = `"${hash}"`
  app.get(`/page/${name}`, { schema: { hide: true } }, (request, reply) => {
    reply.headers({ ...PUBLIC_FILE, etag, 'cache-control': 'no-cache' })
    if (request.headers['if-none-match'] === etag) return reply.code(304).send()
    return reply.type(type).send(content)
  })
}

function withoutLogin(url: string): string {
  return messagePage({
    title: 'This service is used with a token',
    paragraphs: [
      'No JupyterHub is set up here for logging in, so there is no page with your servers. Programs and notebooks use the service with a token.',
      'In a terminal, with your token in TOKEN:',
    ],
    code: [
      `curl -H "Authorization: Bearer $TOKEN" ${url}/api/v1/user`,
      `curl -H "Authorization: Bearer $TOKEN" ${url}/api/v1/servers`,
    ].join('\n'),
    links: [{ text: 'All routes, to try out', href: 'docs' }],
    note: '"rexec local" prints the tokens of its users when it starts.',
  })
}
