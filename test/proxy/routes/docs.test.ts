import SwaggerParser from '@apidevtools/swagger-parser'
import t from 'tap'
import { bodyOf, startApp } from '../../support/test-app.ts'

type Document = Parameters<typeof SwaggerParser.validate>[0] & {
  servers: { url: string }[]
  paths: Record<string, Record<string, { summary?: string; security?: unknown[]; responses: object }>>
}

t.test('the OpenAPI document is valid and lists every route', async (t) => {
  const { fetch } = await startApp(t)
  const answer = await fetch('/openapi.json', { token: null })
  t.equal(answer.headers.get('content-type'), 'application/json; charset=utf-8')
  const document = await bodyOf<Document>(answer)
  await t.resolves(SwaggerParser.validate(structuredClone(document)))
  t.same(document.servers, [{ url: '/services/rexec' }], 'right for whatever host the browser uses')
  const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
  const rexec = [
    'POST /spawn',
    'DELETE /spawn',
    'DELETE /terminate',
    'GET /broker-config',
    'GET /status/',
    'GET /status/rexec',
  ]
  t.same(
    routes.sort(),
    [
      'GET /',
      'GET /healthz',
      'GET /readyz',
      'GET /.well-known/jwks.json',
      'GET /api/v1/user',
      'GET /api/v1/profiles',
      'GET /api/v1/broker',
      'GET /api/v1/servers',
      'POST /api/v1/servers',
      'GET /api/v1/servers/{name}',
      'DELETE /api/v1/servers/{name}',
      'GET /api/v1/servers/{name}/logs',
      'GET /api/v1/servers/{name}/events',
      'POST /api/v1/tokens',
      'POST /api/v1/token-reviews',
      'POST /api/v1/server-reviews',
      ...rexec,
      ...rexec.map((route) => route.replace(' /', ' /rexec/')),
    ].sort(),
  )
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      t.ok(operation.summary, `${method} ${path} says what it does`)
      t.ok('4XX' in operation.responses && '5XX' in operation.responses, `${method} ${path} can refuse`)
    }
  }
})

t.test('Swagger UI loads all of its files from below the prefix, through whatever host', async (t) => {
  const { url, origin, fetch } = await startApp(t)
  for (const page of ['/docs', '/docs/', '/docs?x', '/docs/static/index.html']) {
    const answer = await fetch(page, { token: null })
    t.equal(answer.status, 200, page)
    t.match(answer.headers.get('content-type'), /^text\/html/)
    const policy = answer.headers.get('content-security-policy')!
    t.match(policy, "default-src 'none'; script-src 'self';")
    t.match(policy, "frame-ancestors 'none'")
    t.match(policy, 'sandbox allow-scripts')
    t.notMatch(policy, 'allow-same-origin', 'people type tokens into it')
    t.equal(answer.headers.get('x-frame-options'), 'DENY')
    t.ok(policy.endsWith(`; connect-src 'self' ${origin}`), 'WebKit wants the address')
    t.notMatch(policy.replace(origin, ''), /upgrade-insecure|https?:/)
    const html = await answer.text()
    t.notMatch(html, /(src|href)="(https?:)?\/\//, 'nothing from elsewhere')
    t.notMatch(html, /<script>|onload=/, 'no script within the page, which the policy would stop')
    const assets = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(
      ([, asset]) => new URL(asset!, answer.url),
    )
    t.ok(assets.length >= 5)
    for (const asset of assets) {
      t.ok(asset.href.startsWith(`${url}/docs/static/`), asset.href)
      const file = await globalThis.fetch(asset)
      t.equal(file.status, 200, asset.pathname)
      t.equal(file.headers.get('cross-origin-resource-policy'), 'cross-origin')
      await file.arrayBuffer()
    }
  }
  const initializer = await (await fetch('/docs/static/swagger-initializer.js')).text()
  t.match(initializer, "resolveUrl('./json')")
  t.match(await (await fetch('/docs/json')).json(), { openapi: '3.1.0' })
})
