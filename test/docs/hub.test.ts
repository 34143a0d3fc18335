import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { hubEnvironment } from '../../proxy/hub-environment.ts'
import { HUB_VERSIONS, type Hub, hubMissing, startHub } from '../hub/hub.ts'
import { fakeProgram } from '../support/fake-program.ts'
import { freePorts } from '../support/free-port.ts'
import { temporaryFolder } from '../support/local-cluster.ts'
import { rexec } from '../support/rexec-command.ts'
import { transcribe } from '../support/transcript.ts'

const [NEWEST, OLDER] = HUB_VERSIONS as [string, string]
const skip = { newest: (await hubMissing(NEWEST)) ?? false, older: (await hubMissing(OLDER)) ?? false }
const page = await readFile(join(import.meta.dirname, '../../docs/admin/hub.md'), 'utf8')
const blocks = (language: string) =>
  [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter(([, of]) => of === language)
    .map(([, , text]) => text!)
const [roles, external, managed] = blocks('python') as [string, string, string]
const [settings] = blocks('yaml') as [string]

/** What an administrator puts into the blocks of the page. */
function filledIn(block: string, { port, folder }: { port: number; folder: string }): string {
  return block
    .replace('"https://hub.example.org/', 'c.JupyterHub.bind_url + "')
    .replace('http://127.0.0.1:10101', `http://127.0.0.1:${port}`)
    .replaceAll('/etc/rexec', folder)
}

/** Keys and the settings that the page does not speak of. */
async function prepare(t: Test) {
  const folder = await temporaryFolder(t)
  const [port, other] = (await freePorts(2, '127.0.0.1')) as [number, number]
  await rexec(t, ['keys', '--out', join(folder, 'keys')]).ended
  const others = {
    metrics: { port: 0 },
    broker: { clientAddress: 'tcp://127.0.0.1:5559', serverAddresses: ['tcp://127.0.0.1:5560'] },
    cluster: { stateFolder: join(folder, 'state') },
    securityModel: {
      profiles: [{ name: 'default', description: 'x', pythons: { '3.11': '/usr/bin/python3' } }],
    },
  }
  return { folder, port, other, others, settingsFile: join(folder, 'proxy.yaml') }
}

/** What the page promises. */
async function works(t: Test, hub: Hub): Promise<void> {
  const ask = async (url: string, token: string) => {
    const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
  }
  const alice = await hub.token('alice')
  t.match(await ask(`${hub.url}services/rexec/api/v1/user`, alice), { status: 200, body: { name: 'alice' } })
  t.match(await ask(`${hub.url}services/rexec/readyz`, alice), { body: { checks: { identity: 'ok' } } })
  t.match(
    await ask(`${hub.apiUrl}/users/alice`, alice),
    { status: 200, body: { servers: {} } },
    '"self" is kept',
  )
  const { env, token } = await hub.spawn('bob')
  t.equal(env.REXEC_URL, `${hub.url}services/rexec`)
  t.match(
    await ask(`${env.REXEC_URL}/api/v1/user`, token),
    { status: 200, body: { name: 'bob' } },
    'as a notebook asks',
  )
  const services = await hub.admin<Record<string, { roles: string[] }>>('/services')
  t.same(services.rexec!.roles, ['rexec'])
}

t.test(`an external service of JupyterHub ${OLDER}, as the page has it`, { skip: skip.older }, async (t) => {
  const { folder, port, other, others, settingsFile } = await prepare(t)
  const secret = 'a-secret-of-hub-and-rexec-0123456789'
  // What a hub of this version tells a managed service; the newest starts rexec itself, below.
  const told = join(folder, 'told.json')
  const probe = `
c.JupyterHub.services.append({
    "name": "probe", "url": "http://127.0.0.1:${other}", "api_token": "${secret}-probe",
    "command": ${JSON.stringify([process.execPath, join(import.meta.dirname, '../hub/fake-managed.ts'), told])},
})`
  const hub = await startHub(t, {
    version: OLDER,
    bare: true,
    serviceUrl: `http://127.0.0.1:${port}`,
    config: [roles, external].map((block) => filledIn(block, { port, folder })).join('\n') + probe,
    env: { REXEC_HUB_TOKEN: secret },
  })
  const own = settings.replace('http://127.0.0.1:8081/hub/api', hub.apiUrl)
  const rest = Object.entries({ port, ...others }).map(
    ([name, value]) => `${name}: ${JSON.stringify(value)}\n`,
  )
  await writeFile(settingsFile, own + rest.join(''))
  const { child } = rexec(t, ['proxy', '--settings', settingsFile], {
    REXEC_HUB_TOKEN: secret,
    REXEC_SIGNING_KEY_FILE: join(folder, 'keys/signing-key.json'),
    REXEC_BROKER_CREDENTIAL_FILE: join(folder, 'keys/broker-credential'),
  })
  await transcribe(child.stdout!).until(/"msg":"listening"/)
  await works(t, hub)
  t.same(hubEnvironment(JSON.parse(await readFile(told, 'utf8'))), {
    host: '127.0.0.1',
    port: other,
    prefix: '/services/probe',
    'identity.authenticators': ['jupyterhub'],
    'identity.jupyterhub.apiUrl': hub.apiUrl,
    'identity.jupyterhub.apiToken': `${secret}-probe`,
    'identity.jupyterhub.serviceName': 'probe',
    'identity.jupyterhub.publicUrl': '/',
  })
})

t.test(`a managed service of JupyterHub ${NEWEST}, as the page has it`, { skip: skip.newest }, async (t) => {
  const { folder, port, others, settingsFile } = await prepare(t)
  await writeFile(settingsFile, JSON.stringify(others))
  const program = join(import.meta.dirname, '../../bin/rexec.ts')
  const path = await fakeProgram(t, 'rexec', `exec ${process.execPath} ${program} "$@"`)
  const hub = await startHub(t, {
    version: NEWEST,
    bare: true,
    config: [roles, managed].map((block) => filledIn(block, { port, folder })).join('\n'),
    env: { PATH: `${path}:${process.env.PATH}` },
  })
  await works(t, hub)
  await hub.stop()
  await t.rejects(fetch(`http://127.0.0.1:${port}/services/rexec/healthz`), 'it ends with the hub')
})
