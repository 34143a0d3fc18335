import t from 'tap'
import { runChecks } from '../../../bin/doctor/check.ts'
import type { ProxyFiles } from '../../../bin/doctor/files.ts'
import { settingsChecks } from '../../../bin/doctor/settings.ts'
import { proxySettings } from '../../support/test-app.ts'

/** What is said about settings with this hub, by the words that it begins with. */
async function finding(begins: string, about: { prefix?: string; publicUrl?: string }, hub?: string) {
  const jupyterhub = { apiUrl: 'http://hub:8081/hub/api', ...(hub && { publicUrl: hub }) }
  const settings = proxySettings({ ...about, identity: { authenticators: ['jupyterhub'], jupyterhub } })
  const files = { file: 'proxy.yaml', problems: [], settings } as unknown as ProxyFiles
  const found = await runChecks(settingsChecks(files), 10)
  return found.find(({ what }) => what.startsWith(begins))?.level
}

t.test("the prefix is where the hub's address says that it passes this service on", async (t) => {
  const about = (prefix: string, hub?: string) => finding('prefix', { prefix }, hub)
  t.equal(await about('/services/rexec'), 'ok', 'without an address')
  t.equal(await about('/lab/services/rexec'), 'ok')
  t.equal(await about('/services/other'), 'fail')
  t.equal(await about('/services/rexec', 'https://hub.example.org/'), 'ok')
  t.equal(await about('/lab/services/rexec', 'https://hub.example.org/lab/'), 'ok')
  t.equal(await about('/services/rexec', 'https://hub.example.org/lab/'), 'fail')
  t.equal(await about('/lab/services/rexec', '/'), 'fail')
})

t.test('where users have no hosts of their own, their pages are something to look at', async (t) => {
  const about = (publicUrl?: string, hub?: string) => finding('rexec', publicUrl ? { publicUrl } : {}, hub)
  t.equal(await about(), 'warn', 'addresses that are paths of one host')
  t.equal(await about('https://hub.example.org'), 'warn')
  t.equal(await about(undefined, '/lab/'), 'warn')
  t.equal(await about('https://hub.example.org', 'https://hub.example.org/'), 'warn')
  t.equal(
    await about('https://hub.example.org:8443', 'https://hub.example.org/'),
    'warn',
    'cookies know no port',
  )
  t.equal(await about('https://rexec--service.hub.example.org', 'https://hub.example.org/'), 'ok')
  t.equal(await about(undefined, 'https://hub.example.org/'), undefined, 'where it is asked is not known')
})

t.test('an address without TLS is something to look at', async (t) => {
  const about = (publicUrl: string) => finding('publicUrl', { publicUrl })
  t.equal(await about('http://hub.example.org'), 'warn')
  t.equal(await about('https://hub.example.org'), undefined)
  t.equal(await about('http://127.0.0.1:8000'), undefined, 'it stays on this machine')
})
