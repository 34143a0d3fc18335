import t from 'tap'
import { runChecks } from '../../../bin/doctor/check.ts'
import type { ProxyFiles } from '../../../bin/doctor/files.ts'
import { settingsChecks } from '../../../bin/doctor/settings.ts'
import { proxySettings } from '../../support/test-app.ts'

t.test("the prefix is where the hub's address says that it passes this service on", async (t) => {
  const about = async (prefix: string, publicUrl?: string) => {
    const jupyterhub = { apiUrl: 'http://hub:8081/hub/api', ...(publicUrl && { publicUrl }) }
    const settings = proxySettings({ prefix, identity: { authenticators: ['jupyterhub'], jupyterhub } })
    const files = { file: 'proxy.yaml', problems: [], settings } as unknown as ProxyFiles
    const found = await runChecks(settingsChecks(files), 10)
    return found.find(({ what }) => what.startsWith('prefix'))?.level
  }
  t.equal(await about('/services/rexec'), 'ok', 'without an address')
  t.equal(await about('/lab/services/rexec'), 'ok')
  t.equal(await about('/services/other'), 'fail')
  t.equal(await about('/services/rexec', 'https://hub.example.org/'), 'ok')
  t.equal(await about('/lab/services/rexec', 'https://hub.example.org/lab/'), 'ok')
  t.equal(await about('/services/rexec', 'https://hub.example.org/lab/'), 'fail')
  t.equal(await about('/lab/services/rexec', '/'), 'fail')
})
