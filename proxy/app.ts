import type { IncomingMessage, ServerResponse } from 'node:http'
import cookies from '@fastify/cookie'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { type FastifyBaseLogger, type FastifyInstance, fastify, type RawServerDefault } from 'fastify'
import { createAccessAudit } from './audit.ts'
import { createAuthorize } from './authorize.ts'
import { refuseAmbiguous } from './plugins/ambiguous.ts'
import { addTokens } from './plugins/authenticate.ts'
import { Connections, RequestLog, requestIdOf } from './plugins/connection.ts'
import { addCors } from './plugins/cors.ts'
import { addHeaders } from './plugins/headers.ts'
import { addJsonBodies } from './plugins/json.ts'
import { collectMethods } from './plugins/methods.ts'
import { addMetrics } from './plugins/metrics.ts'
import { addProblems, createRefusals } from './plugins/problems.ts'
import { refuseUnknownQueries } from './plugins/queries.ts'
import { ajvOptions } from './plugins/validation.ts'
import { addApi } from './routes/api/v1/api.ts'
import { addDocs } from './routes/docs.ts'
import { addHealth } from './routes/health.ts'
import { addJwks } from './routes/jwks.ts'
import { addLogin } from './routes/login.ts'
import { addPage } from './routes/page.ts'
import { addRexec } from './routes/rexec/rexec.ts'
import { addRoot } from './routes/root.ts'
import { createSecurityModel } from './security-model/approve.ts'
import { createServers } from './servers.ts'
import type { Parts, Service } from './service.ts'
import { createHubOauth } from './session/hub-oauth.ts'
import { createLogins } from './session/logins.ts'
import { createSessions } from './session/session.ts'
import { createStartTimes } from './start-times.ts'

/** Fastify, with types made from typebox schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

/** The HTTP service, not listening yet. A request passes what is added here in this order, then its route. */
export async function buildApp(parts: Parts): Promise<App> {
  const { settings, cluster, signer, logger, registry } = parts
  const { limits, prefix } = settings
  const refused = createRefusals(registry)
  const log = new RequestLog(settings.trustProxyHops)
  const connections = new Connections(refused, log)
  const closing = new AbortController()
  const app: App = fastify({
    loggerInstance: logger as FastifyBaseLogger,
    logController: log,
    genReqId: requestIdOf,
    trustProxy: settings.trustProxy,
    ajv: ajvOptions,
    bodyLimit: limits.bodyBytes,
    requestTimeout: limits.requestSeconds * 1000,
    keepAliveTimeout: limits.keepAliveSeconds * 1000,
    // While it closes, what comes in on open connections is still answered.
    return503OnClosing: false,
    http: {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersSeconds * 1000,
      connectionsCheckingInterval: 1000,
    },
    clientErrorHandler: (error, socket) => connections.answerError(error, socket),
    frameworkErrors: (_error, request, reply) => connections.answerBadAddress(request, reply),
  })
  app.server.maxConnections = limits.connections
  // Their bytes are limited; by count Node would pass over the rest, a second Authorization among them.
  app.server.maxHeadersCount = 0

  const oauth = createHubOauth(settings.identity.jupyterhub, settings)
  const service: Service = {
    ...parts,
    authorize: createAuthorize(settings.securityModel),
    auditAccess: createAccessAudit(limits.accessAuditSeconds),
    servers: createServers(
      createSecurityModel(settings.securityModel),
      cluster,
      signer,
      registry,
      {
        serversPerUser: limits.serversPerUser,
        startsPerUser: limits.startsPerUser,
        credentialMarginSeconds: settings.tokens.credentialMarginSeconds,
      },
      createStartTimes(cluster, { registry, logger, closing: closing.signal }),
    ),
    sessions: createSessions(signer, settings),
    logins: oauth && createLogins(oauth, signer, settings),
  }

  connections.watch(app, parts.closing)
  app.addHook('preClose', async () => closing.abort())
  addProblems(app, refused)
  addMetrics(app, registry)
  addHeaders(app)
  addCors(app)
  refuseAmbiguous(app)
  await app.register(cookies)
  addTokens(app)
  addJsonBodies(app, limits.bodyDepth)
  refuseUnknownQueries(app)
  const refuseOtherMethods = collectMethods(app)
  await addDocs(app, settings)
  await app.register(
    async (app) => {
      addRoot(app, await addPage(app, service))
      const { logins } = service
      if (logins) app.register(async (app: App) => addLogin(app, service, logins))
      addHealth(app, service)
      addJwks(app, service)
      app.register(async (app: App) => addApi(app, service), { prefix: '/api/v1' })
      for (const prefix of ['/', '/rexec'])
        app.register(async (app: App) => addRexec(app, service), { prefix })
    },
    { prefix },
  )
  refuseOtherMethods()
  return app
}
