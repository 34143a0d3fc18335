import t from 'tap'
import { loadSettings } from '../../common/settings.ts'
import { hubEnvironment } from '../../proxy/hub-environment.ts'
import { ProxySettings } from '../../proxy/settings.ts'

/** What JupyterHub 6.1.1 and 5.4.6 set for a managed service; the tests with real hubs show that they do. */
const env = {
  JUPYTERHUB_SERVICE_NAME: 'rexec',
  JUPYTERHUB_API_TOKEN: '0105dc257f4c96a05ab6195d2216f0fb',
  JUPYTERHUB_API_URL: 'http://127.0.0.1:8081/hub-a/hub/api',
  JUPYTERHUB_BASE_URL: '/hub-a/',
  JUPYTERHUB_SERVICE_URL: 'http://127.0.0.1:10133',
  JUPYTERHUB_SERVICE_PREFIX: '/hub-a/services/rexec/',
  JUPYTERHUB_PUBLIC_URL: '',
  JUPYTERHUB_PUBLIC_HUB_URL: '',
  JUPYTERHUB_HOST: '',
  JUPYTERHUB_USER: '',
}
const OTHERS = JSON.stringify({
  broker: {
    clientAddress: 'tcp://broker.test:5559',
    serverAddresses: ['tcp://127.0.0.1:5560'],
    credential: 'x'.repeat(32),
  },
})
const hub = { apiUrl: env.JUPYTERHUB_API_URL, apiToken: env.JUPYTERHUB_API_TOKEN, serviceName: 'rexec' }

t.test('a managed service needs none of it in its file', async (t) => {
  t.match(loadSettings(ProxySettings, OTHERS, {}, hubEnvironment(env)), {
    host: '127.0.0.1',
    port: 10133,
    prefix: '/hub-a/services/rexec',
    publicUrl: undefined,
    identity: { authenticators: ['jupyterhub'], jupyterhub: { ...hub, publicUrl: '/hub-a/' } },
  })
})

t.test('a hub with a public URL says where browsers find hub and service', async (t) => {
  const found = hubEnvironment({
    ...env,
    JUPYTERHUB_PUBLIC_URL: 'https://hub.example.org/hub-a/services/rexec/',
    JUPYTERHUB_PUBLIC_HUB_URL: 'https://hub.example.org/hub-a/hub/',
  })
  t.match(loadSettings(ProxySettings, OTHERS, {}, found), {
    publicUrl: 'https://hub.example.org',
    identity: { jupyterhub: { publicUrl: 'https://hub.example.org/hub-a/' } },
  })
})

t.test('what the file says counts', async (t) => {
  const text = JSON.stringify({
    ...JSON.parse(OTHERS),
    port: 1,
    identity: { authenticators: ['jupyterhub', 'static'], jupyterhub: { apiUrl: 'http://hub:8081/hub/api' } },
  })
  t.match(loadSettings(ProxySettings, text, {}, hubEnvironment(env)), {
    port: 1,
    host: '127.0.0.1',
    identity: {
      authenticators: ['jupyterhub', 'static'],
      jupyterhub: { ...hub, apiUrl: 'http://hub:8081/hub/api' },
    },
  })
})

t.test('IPv6, and the port that http means', async (t) => {
  const at = (url: string) => hubEnvironment({ ...env, JUPYTERHUB_SERVICE_URL: url })
  t.match(at('http://[::1]:10101'), { host: '::1', port: 10101 })
  t.match(at('http://rexec.example.org'), { host: 'rexec.example.org', port: 80 })
  t.notOk('port' in at(''), 'a service without a URL listens where its file says')
})

t.test('a hub that wants TLS within is told so', async (t) => {
  for (const url of ['https://127.0.0.1:10101', 'unix:///run/rexec', 'nonsense']) {
    t.throws(() => hubEnvironment({ ...env, JUPYTERHUB_SERVICE_URL: url }), {
      name: 'SettingsError',
      message: /JUPYTERHUB_SERVICE_URL: rexec takes plain HTTP/,
    })
  }
})

t.test("a proxy in the terminal of a user's server does not serve with that user's token", async (t) => {
  const { JUPYTERHUB_SERVICE_NAME: _, ...others } = env
  t.same(hubEnvironment({ ...others, JUPYTERHUB_USER: 'alice' }), {})
  t.same(hubEnvironment({}), {})
})
