import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { RexecError } from '../../common/errors.ts'
import type { App } from '../app.ts'
import { externalUrl } from '../external-url.ts'
import { messagePage } from '../page/message.ts'
import { pageHeaders } from '../plugins/headers.ts'
import type { Service } from '../service.ts'
import { isOwnWindow } from '../session/browser.ts'
import { hubCookieOf, type Session } from '../session/session.ts'

const FOLDER = join(import.meta.dirname, '../page')
const TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}
/** Where index.html wants what its script sends along. */
const XSRF = '{{xsrf}}'

/** What index.html loads. */
const LOADED = /(?:href|src)="page\/([\w-]+\.(?:css|js))"/g

/** Answers GET / for a browser; `pass` is what it has got from us for that. */
export type ShowPage = (request: FastifyRequest, reply: FastifyReply, pass?: string) => Promise<FastifyReply>

/**
 * The page for people, with its styles and scripts, from memory. Its HTML holds what proves a request to come from it. So
 * it goes to where no other page of this host can read it: into a window of its own, not to a script or into a frame.
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
  // A service worker of another page may put scripts of its own in place of ours.
  const html = (await readFile(join(FOLDER, 'index.html'), 'utf8')).replaceAll(
    LOADED,
    (loads, name) => `${loads} integrity="sha256-${hashes.get(name)}"`,
  )
  const { sessions, logins, settings } = service

  return async (request, reply, pass = '') => {
    const [path] = request.url.split('?', 1)
    if (!path!.endsWith('/')) return reply.redirect(`${settings.prefix}/`, 308)
    if (!isOwnWindow(request, settings)) {
      throw new RexecError(
        'xsrf_invalid',
        'This page opens in a window of its own only, in an up-to-date browser, and not through a service worker of ' +
          'another page. If it does not open, remove the data of this site in your browser.',
      )
    }
    if (!logins) return reply.headers(pageHeaders(request)).send(withoutLogin(externalUrl(request, settings)))
    const session = await sessions.read(request)
    if (!session || !(await isAlive(session, request, service))) {
      return reply.redirect(await logins.begin(request, reply, `${settings.prefix}/`))
    }
    // A page that says of its window what we say of ours (headers.ts) would stay in one group with us, and with it the
    // windows that it has opened. Two answers that say different things cannot both be like it.
    if (!(await sessions.isPass(session, pass))) {
      return reply.redirect(`${settings.prefix}/?pass=${await sessions.pass(session)}`)
    }
    return reply.headers(pageHeaders(request)).send(html.replace(XSRF, sessions.xsrfToken(session)))
  }
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
    reply.headers({ etag, 'cache-control': 'no-cache' })
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
