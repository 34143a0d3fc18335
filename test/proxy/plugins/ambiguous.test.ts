import t from 'tap'
import { sendRaw } from '../../support/raw-http.ts'
import { ALICE, startApp } from '../../support/test-app.ts'

t.test('a request with two hosts is refused, whichever is meant', async (t) => {
  const { origin } = await startApp(t)
  const head = 'GET /services/rexec/healthz HTTP/1.1\r\nConnection: close\r\nHost: a\r\n'
  t.match(await sendRaw(origin, `${head}\r\n`), /^HTTP\/1.1 200 /)
  t.match(await sendRaw(origin, `${head}Host: b\r\n\r\n`), /^HTTP\/1.1 400 .*request_malformed/s)
  t.match(await sendRaw(origin, `${head}HOST: a\r\n\r\n`), /^HTTP\/1.1 400 .*request_malformed/s)
})

t.test('a body in a coding is refused, not taken as it is', async (t) => {
  const { url, cluster } = await startApp(t)
  const start = (coding: string) =>
    fetch(`${url}/api/v1/servers`, {
      method: 'POST',
      body: '{"python":"3.12"}',
      headers: {
        authorization: `Bearer ${ALICE}`,
        'content-type': 'application/json',
        'content-encoding': coding,
      },
    })
  for (const coding of ['gzip', 'br', 'evil', 'identity, gzip'])
    t.equal((await start(coding)).status, 415, coding)
  t.equal(cluster.servers.size, 0)
  t.equal((await start('identity')).status, 201)
})
