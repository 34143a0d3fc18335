import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import { version } from '../../common/version.ts'
import type { App } from '../app.ts'
import { externalUrl } from '../external-url.ts'
import { connectSource, PUBLIC_FILE, SANDBOX } from '../plugins/headers.ts'
import type { ProxySettings } from '../settings.ts'

const DESCRIPTION = `Runs Python functions of JupyterHub users in servers of their own.
Show your token in the header \`Authorization: Bearer TOKEN\`.`

/** Scripts and styles come from here alone; Swagger UI sets styles on elements. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  // People type their tokens into it.
  `sandbox ${SANDBOX}`,
].join('; ')

/**
 * GET /docs (Swagger UI) and /openapi.json, made from the schemas of the routes. Must be added before the routes.
 * The one server is the prefix: right for whatever host and scheme the browser uses.
 */
export async function addDocs(
  app: App,
  settings: Pick<ProxySettings, 'prefix' | 'publicUrl'>,
): Promise<void> {
  const { prefix } = settings
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'rexec',
        version,
        description: DESCRIPTION,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: prefix }],
      security: [{ token: [] }],
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      tags: [
        { name: 'you', description: 'Who you are and what you may ask for' },
        { name: 'servers', description: 'Your servers' },
        { name: 'rexec', description: 'For the clients scidx-rexec and ndp-ep, as they call it' },
        { name: 'brokers', description: 'For brokers, with their own credential' },
        { name: 'service', description: 'Health and addresses; nobody needs a token' },
      ],
    },
    convertConstToEnum: false,
  })
  await app.register(async (app) => {
    app.addHook('onRequest', async (request, reply) => {
      reply.headers({
        ...PUBLIC_FILE,
        'content-security-policy': `${POLICY}; connect-src ${connectSource(externalUrl(request, settings))}`,
        'x-frame-options': 'DENY',
      })
    })
    await app.register(swaggerUi, {
      routePrefix: `${prefix}/docs`,
      uiConfig: { tryItOutEnabled: true, persistAuthorization: false },
    })
  })
  app.get(`${prefix}/openapi.json`, { schema: { hide: true } }, () => app.swagger())
}
