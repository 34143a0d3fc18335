import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runChecks } from '../../../bin/doctor/check.ts'
import { hubChecks } from '../../../bin/doctor/hub.ts'
import { answerAll, defaults } from '../../../bin/init/ask.ts'
import { jupyterhubConfig } from '../../../bin/init/jupyterhub-config.ts'
import { planOf } from '../../../bin/init/plan.ts'
import type { Name } from '../../../bin/init/questions.ts'
import { createLogger } from '../../../common/logger.ts'
import { checkSettings } from '../../../common/settings.ts'
import { createJupyterhub } from '../../../proxy/identity/jupyterhub.ts'
import { JupyterhubSettings } from '../../../proxy/identity/settings.ts'
import { HUB_VERSIONS, hubMissing, startHub } from '../../hub/hub.ts'
import { freePorts } from '../../support/free-port.ts'

const [newest, older] = HUB_VERSIONS
const skip = (await hubMissing(newest)) ?? (await hubMissing(older)) ?? false
const TOKEN = '0123456789abcdef'.repeat(4)

/** A real hub that has loaded what `rexec init` writes, after `before` in its configuration. */
async function hubWith(t: Test, version: string, answers: Record<string, string>, before = '') {
  const folder = t.testdir()
  const [port] = (await freePorts(1, '127.0.0.1')) as [number]
  const given = {
    'hub.kind': 'other',
    'hub.namespace': '-',
    'hub.publicUrl': 'https://hub.example.org/',
    'hub.apiUrl': 'http://127.0.0.1:9/hub/api',
    'hub.serviceUrl': `http://127.0.0.1:${port}`,
    ...answers,
  }
  const plan = planOf(await answerAll(new Map(Object.entries(given)) as Map<Name, string>, defaults))
  await writeFile(join(folder, 'hub-token'), TOKEN)
  const serviceUrl = given['hub.serviceUrl']
  // It looks for the token beside jupyterhub_config.py.
  const path = `__file__ = ${JSON.stringify(join(folder, 'jupyterhub_config.py'))}`
  const config = [path, before, jupyterhubConfig(plan)].join('\n')
  const hub = await startHub(t, { version, bare: true, serviceUrl, config })
  const settings = checkSettings(JupyterhubSettings, { apiUrl: hub.apiUrl, apiToken: TOKEN })
  const authenticator = createJupyterhub(settings, createLogger('test', { level: 'silent' }))
  return {
    hub,
    doctor: () => runChecks(hubChecks({ settings, prefix: plan.prefix, whenUserVanishes: 'delete' }), 60),
    whose: (token: string) => authenticator.authenticate({ token }),
  }
}

t.test('the part of jupyterhub_config.py, in a real hub', { skip }, async (t) => {
  t.test('for every user', async (t) => {
    const { hub, doctor, whose } = await hubWith(t, newest!, {})
    t.same(
      (await doctor()).filter(({ level }) => level !== 'ok'),
      [],
      'the doctor finds the hub as it should be',
    )
    const { token, env } = await hub.spawn('bob')
    t.equal(env.REXEC_URL, 'https://hub.example.org/services/rexec')
    t.match(await whose(token), { name: 'bob' }, 'the token of a notebook is good for it')
    t.match(await whose(await hub.token('alice')), { name: 'alice' })
  })

  t.test('for a group, beside services, roles and variables that are there already', async (t) => {
    const { hub, doctor, whose } = await hubWith(
      t,
      older!,
      { 'access.groups': 'rexec-users' },
      `c.Spawner.environment = {"OTHER": "kept"}
c.JupyterHub.services.append({"name": "other", "api_token": "other-token-0123456789abcdef"})
c.JupyterHub.load_roles.append({"name": "server", "scopes": ["users:activity!user", "read:users!user"]})`,
    )
    t.same(
      (await doctor()).filter(({ level }) => level !== 'ok'),
      [],
    )
    const { token, env } = await hub.spawn('alice')
    t.match(env, { OTHER: 'kept', REXEC_URL: 'https://hub.example.org/services/rexec' })
    t.match(await whose(token), { name: 'alice', groups: ['rexec-users'] })
    await t.rejects(whose((await hub.spawn('bob')).token), { code: 'scope_missing' })
    t.match(await hub.admin('/services/other'), { name: 'other' })
  })
})
