import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { probePython } from '../../../proxy/cluster/local/pythons.ts'
import { transcribe } from '../../support/transcript.ts'

const REXEC = join(import.meta.dirname, '../../../bin/rexec.ts')

/** `rexec init` in a folder of its own; whoever runs it writes into its stdin. */
async function init(t: Test, args: string[] = [], { answers = {}, through = [] as string[] } = {}) {
  const folder = join(t.testdir(), 'here')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, '../answers.yaml'), JSON.stringify(answers))
  const [program, ...rest] = [...through, process.execPath, REXEC, 'init', ...args]
  const child = spawn(program!, rest, { cwd: folder })
  t.teardown(() => child.kill('SIGKILL'))
  const [stdout, stderr] = [transcribe(child.stdout), transcribe(child.stderr)]
  const ended = once(child, 'close') as Promise<[number | null, string | null]>
  const out = join(folder, 'rexec-install')
  const read = (name: string) => readFile(join(out, name), 'utf8')
  return { child, folder, out, read, stdout, stderr, ended }
}

/** Answers a person types, one a line. */
const TYPED = [
  'z2jh',
  '', // jhub
  '', // jupyterhub
  'hub.example.org', // no address: asked again
  'https://hub.example.org/',
  '',
  '',
  'kube-system', // no: asked again
  'rexec',
  'registry.example.org/rexec',
  '1.2.3',
  'nodeport',
  '80', // no: asked again
  '30600',
  'node.example.org:30600',
  '',
  'staff',
  '3.11, 3.12',
  '',
  '',
  'no',
]

t.test('a person answers, through a pipe, and is told at once what will not do', async (t) => {
  const { child, out, read, stdout, ended } = await init(t)
  child.stdin.end(`${TYPED.join('\n')}\n`)
  t.same(await ended, [0, null])
  t.match(stdout.text, /Give an address such as https:\/\/hub\.example\.org\//)
  t.match(stdout.text, /not default and none of kube-/)
  t.match(stdout.text, /Give a number from 30000 to 32767/)
  t.same((await readdir(out)).sort(), [
    'hub-secret.yaml',
    'hub-token',
    'hub-values.yaml',
    'steps.sh',
    'values.yaml',
  ])
  const token = await read('hub-token')
  t.match(token, /^[0-9a-f]{64}$/)
  t.match(await read('hub-secret.yaml'), `apiToken: ${token}`)
  for (const name of ['hub-token', 'hub-secret.yaml'])
    t.equal((await stat(join(out, name))).mode & 0o777, 0o600, `${name} is for its owner alone`)
  for (const name of ['values.yaml', 'hub-values.yaml', 'steps.sh'])
    t.notMatch(await read(name), token, `no token in ${name}`)
  t.notMatch(stdout.text, token)
  t.match(stdout.text, await read('steps.sh'))
  t.match(await read('values.yaml'), /externalAddress: "tcp:\/\/node\.example\.org:30600"/)
})

t.test('nothing is written when the answers end too early', async (t) => {
  const { child, folder, stderr, ended } = await init(t)
  child.stdin.end('z2jh\n\n')
  t.same(await ended, [1, null])
  t.match(stderr.text, /were not answered to their end. Nothing was written/)
  t.same(await readdir(folder), [])
})

const python = await probePython('python3', process.env)

t.test('Ctrl-C at a terminal leaves nothing', { skip: python ? false : 'no python3' }, async (t) => {
  const pty = 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))'
  const { child, folder, stdout, ended } = await init(t, [], { through: ['python3', '-c', pty] })
  await stdout.until(/Which JupyterHub/)
  child.stdin.write('z2jh\r')
  await stdout.until(/In which namespace/)
  child.stdin.write('\u0003')
  await stdout.until(/Nothing was written/)
  child.stdin.end()
  t.same(await ended, [1, null])
  t.same(await readdir(folder), [])
})

t.test('answers from a file', async (t) => {
  const args = ['--answers', '../answers.yaml', '--yes']

  t.test('defaults for the others, and nobody is asked', async (t) => {
    const answers = {
      namespace: 'tools',
      profile: { pythons: ['3.12', '3.13'] },
      network: { internet: false },
    }
    const { ended, read } = await init(t, args, { answers })
    t.same(await ended, [0, null])
    const values = await read('values.yaml')
    t.match(values, '{ name: rexec-hub, key: token }')
    t.match(values, '{"3.12":"python:3.12-slim","3.13":"python:3.13-slim"}')
    t.match(values, 'internet: false')
  })

  t.test('wrong ones are all named, and nothing is written', async (t) => {
    const answers = {
      hub: { kind: 'other', namespace: 'No Name', publicUrl: null },
      broker: { reach: 'nodeport', externalAddress: 'nowhere' },
      rbac: { mode: 'namespaces' },
      profile: { pythons: '2.7', memory: '1Mi' },
      access: { groups: `it's` },
    }
    const { folder, ended, stderr } = await init(t, args, { answers })
    t.same(await ended, [1, null])
    for (const name of [
      'hub.namespace',
      'hub.publicUrl',
      'hub.apiUrl',
      'broker.externalAddress',
      'rbac.users',
      'profile.pythons',
      'profile.memory',
      'access.groups',
    ])
      t.match(stderr.text, `- ${name}: `)
    t.same(await readdir(folder), [])
  })

  t.test('a question that there is not', async (t) => {
    const { ended, stderr } = await init(t, args, { answers: { hub: { king: 'z2jh' }, imagine: 1 } })
    t.same(await ended, [1, null])
    t.match(stderr.text, /there is no question hub\.king, imagine\. The questions are hub\.kind,/)
  })
})

t.test('what is there is not replaced without --force, and then the token stays', async (t) => {
  const args = ['--yes', '--answers', '../answers.yaml', '--out', 'mine']
  const { folder, ended } = await init(t, args, { answers: { namespace: 'tools' } })
  t.same(await ended, [0, null])
  const again = async (...more: string[]) => {
    const child = spawn(process.execPath, [REXEC, 'init', ...args, ...more], { cwd: folder })
    const stderr = transcribe(child.stderr)
    const [code] = (await once(child, 'close')) as [number]
    return { code, stderr: stderr.text }
  }
  const read = (name: string) => readFile(join(folder, 'mine', name), 'utf8')
  const token = await read('hub-token')
  t.match(await again(), { code: 1, stderr: /mine\/values\.yaml exists already/ })
  await writeFile(join(folder, '../answers.yaml'), 'namespace: elsewhere')
  t.match(await again('--force'), { code: 0, stderr: '' })
  t.equal(await read('hub-token'), token)
  t.match(await read('steps.sh'), '-n elsewhere')
})
