import t from 'tap'
import { openIdle, sendRaw } from '../../support/raw-http.ts'
import { ALICE, startApp } from '../../support/test-app.ts'

t.test('two Authorization headers are refused, whichever of them is good', async (t) => {
  const { origin } = await startApp(t)
  const request = (first: string, second: string) =>
    sendRaw(
      origin,
      `GET /services/rexec/api/v1/user HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${first}\r\nAuthorization: Bearer ${second}\r\n\r\n`,
    )
  t.match(await request(ALICE, 'nobody-knows-this'), /^HTTP\/1.1 400 .*"code":"request_malformed"/s)
  t.match(await request('nobody-knows-this', ALICE), /^HTTP\/1.1 400 .*"code":"request_malformed"/s)
})

t.test('an Authorization header is not hidden behind many others', async (t) => {
  const { origin } = await startApp(t)
  const head = `GET /services/rexec/api/v1/user HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${ALICE}\r\n`
  const answer = await sendRaw(origin, `${head}${'a:b\r\n'.repeat(3000)}Authorization: Bearer x\r\n\r\n`)
  t.match(answer, /^HTTP\/1.1 400 .*request_malformed/s)
})

t.test('an idle connection is closed after the keep-alive time', async (t) => {
  const { origin } = await startApp(t, { settings: { limits: { keepAliveSeconds: 1 } } })
  t.match(await sendRaw(origin, 'GET /services/rexec/healthz HTTP/1.1\r\nHost: x\r\n\r\n'), /^HTTP\/1.1 200 /)
})

t.test('tricks with the path lead nowhere', async (t) => {
  const { origin } = await startApp(t)
  const paths = [
    '/',
    '/healthz',
    '/services',
    '/services/rexec2/healthz',
    '/services/rexec/../rexec/healthz/x',
    '/services/rexec/../../etc/passwd',
    '/services/rexec/%2e%2e/rexec/healthz',
    '/services/rexec/..%2fhealthz',
    '/services/rexec//healthz',
    '//services/rexec/healthz',
    '/services/rexec\\healthz',
    '/services/rexec%5chealthz',
    '/services%2Frexec/healthz',
    '/services/rexec/healthz%00',
    '/services/rexec/healthz;x=1',
    '/SERVICES/rexec/healthz',
    '/services/rexec/api/v1/servers/..',
    '/services/rexec/api/v1/servers/%2e%2e%2fuser',
    '/services/rexec/api/v1/servers/a%2fb',
    '/services/rexec/api/v1/servers/%00',
    '/services/rexec/api/v1/servers/%',
    `/services/rexec/api/v1/servers/${'a'.repeat(200)}`,
    '/services/rexec/docs/static/../../../package.json',
    '/services/rexec/docs/static/%2e%2e/package.json',
    '/services/rexec/docs/static/..%5c..%5cpackage.json',
    'http://elsewhere/etc/passwd',
  ]
  for (const path of paths) {
    const answer = await sendRaw(
      origin,
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${ALICE}\r\n\r\n`,
    )
    t.match(answer, /^HTTP\/1.1 40[0-4] /, path)
    t.match(answer, /"code":"(server_)?not_found"|"code":"request_malformed"/, path)
  }
})

t.test('what is not HTTP gets a problem too', async (t) => {
  const { origin } = await startApp(t, { settings: { limits: { headerBytes: 4096 } } })
  t.match(await sendRaw(origin, 'HELO there\r\n\r\n'), /^HTTP\/1.1 400 .*request_malformed/s)
  t.match(
    await sendRaw(origin, `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(5000)}\r\n\r\n`),
    /^HTTP\/1.1 431 .*headers_too_large/s,
  )
  t.match(
    await sendRaw(
      origin,
      'POST /services/rexec/spawn HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ),
    /^HTTP\/1.1 400 /,
    'two lengths of one body',
  )
})

t.test('nothing is written into an answer that is under way', async (t) => {
  const { origin, fetch } = await startApp(t)
  await fetch('/api/v1/servers', { method: 'POST', json: { python: '3.12' } })
  const socket = await openIdle(origin)
  socket.write(
    `GET /services/rexec/api/v1/servers/default/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ALICE}\r\n\r\n`,
  )
  const chunks: Buffer[] = []
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      if (Buffer.concat(chunks).includes('event: status')) resolve()
    })
  })
  socket.write('NOT HTTP AT ALL\r\n\r\n')
  await new Promise((resolve) => socket.once('close', resolve))
  t.equal(Buffer.concat(chunks).toString().split('HTTP/1.1').length, 2, 'one answer alone')
})

t.test('who dawdles is cut off', async (t) => {
  const { origin } = await startApp(t, { settings: { limits: { headersSeconds: 1, requestSeconds: 1 } } })
  const answers = await Promise.all([
    sendRaw(origin, 'GET /services/rexec/healthz HTTP/1.1\r\nHost: x\r\n'),
    sendRaw(
      origin,
      'POST /services/rexec/spawn HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ntoken=',
    ),
  ])
  for (const answer of answers) t.match(answer, /^HTTP\/1.1 408 .*request_timeout/s)
})

t.test('more connections than allowed are closed at once', async (t) => {
  const { origin, app } = await startApp(t, { settings: { limits: { connections: 8 } } })
  t.equal(app.server.maxConnections, 8)
  const request = 'GET /services/rexec/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
  const dropped = new Promise((resolve) => app.server.once('drop', resolve))
  const idle = await Promise.all(Array.from({ length: 8 }, () => openIdle(origin)))
  t.equal(await sendRaw(origin, request), '')
  await dropped
  for (const socket of idle) socket.destroy()
})
