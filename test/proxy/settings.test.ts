import t from 'tap'
import { loadSettings } from '../../common/settings.ts'
import { ProxySettings } from '../../proxy/settings.ts'
import { BROKER } from '../support/test-app.ts'

const SMALLEST = `
broker:
  clientAddress: tcp://broker.example.org:5559
  serverAddresses: [tcp://rexec-broker:5560]
identity:
  authenticators: [static]
  static:
    users: [{ name: alice, token: alice-token }]
`
const secrets = { 'broker.credential': BROKER }
const load = (more = '', overrides: Record<string, unknown> = secrets) =>
  loadSettings(ProxySettings, SMALLEST + more, overrides)

t.test('a small file is enough; every limit has a default', async (t) => {
  t.match(load(), {
    host: '127.0.0.1',
    port: 10101,
    prefix: '/services/rexec',
    broker: { credential: BROKER },
    tokens: { execSeconds: 3600, maxExecSeconds: 43200, credentialMarginSeconds: 300 },
    limits: {
      bodyBytes: 262144,
      bodyDepth: 16,
      headerBytes: 32768,
      connections: 2000,
      headersSeconds: 10,
      requestSeconds: 30,
      keepAliveSeconds: 72,
      serversPerUser: 5,
      streamsPerUser: 20,
      readySeconds: 5,
      heartbeatSeconds: 15,
    },
    cluster: { kind: 'local' },
  })
})

t.test('what makes no sense is named', async (t) => {
  const refused: [string, RegExp][] = [
    ['prefix: services/rexec', /prefix/],
    ['prefix: /services/rexec/', /prefix/],
    ['prefix: /services/:name', /prefix/],
    ['prefix: /services/*', /prefix/],
    ['publicUrl: https://example.org/path', /publicUrl/],
    ['publicUrl: javascript:alert(1)', /publicUrl/],
    ['port: 70000', /port/],
    ['limits: { bodyBytes: 0 }', /limits\.bodyBytes/],
    ['limits: { bodySize: 10 }', /limits\.bodySize: no such setting/],
    ['cluster: { kind: mainframe }', /cluster\.kind/],
  ]
  for (const [line, message] of refused) t.throws(() => load(line), { name: 'SettingsError', message }, line)
  t.throws(
    () => load('', {}),
    { message: /broker\.credential: required/ },
    'the broker credential is required',
  )
  t.throws(() => load('', { 'broker.credential': 'short' }), { message: /broker\.credential/ })
  try {
    load('', { 'broker.credential': 'short and s3cret' })
  } catch (error) {
    t.notMatch((error as Error).message, 's3cret')
  }
})
