import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { CLIENT, choosePython } from '../../bin/client.ts'
import { startLocal } from '../../bin/local.ts'
import { ensureVenv } from '../../bin/venv.ts'
import { probePython } from '../../proxy/cluster/local/pythons.ts'
import { temporaryFolder } from '../support/local-cluster.ts'

const page = await readFile(join(import.meta.dirname, '../../docs/user/quickstart.md'), 'utf8')

function blocks(language: string): string[] {
  return [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    .filter(([, of]) => of === language)
    .map(([, , text]) => text!)
}

t.test('the quickstart does what it says, as it stands there', async (t) => {
  const python = await ensureVenv('client', { python: await choosePython(), packages: CLIENT })
  const { version } = (await probePython(python, process.env))!
  const folder = await temporaryFolder(t)
  const service = await startLocal({ state: join(folder, 'state'), port: 0, brokerPort: 0 })
  t.teardown(() => service.close())

  const [requirements] = blocks('')
  await writeFile(join(folder, 'requirements.txt'), requirements!.replace('3.12', version))
  await writeFile(join(folder, 'quickstart.py'), blocks('python').join('\n'))

  const child = spawn(python, ['-u', 'quickstart.py'], {
    cwd: folder,
    env: { ...process.env, REXEC_URL: service.url, JUPYTERHUB_API_TOKEN: service.users[0]!.token },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const [stdout, stderr] = await Promise.all(
    [child.stdout, child.stderr].map(async (stream) => (await stream.toArray()).join('')),
  )
  t.match(
    stdout!.trim().split('\n'),
    [
      /^Remote execution server created/,
      'working on 2 numbers',
      "['1.0 kB', '1.0 MB']",
      /^ZeroDivisionError: division by zero/,
      '0',
      '1',
      '4',
      '9',
    ],
    stderr!,
  )
  t.notMatch(stderr, 'Traceback')
})
