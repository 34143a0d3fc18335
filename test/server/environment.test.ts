import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import t from 'tap'
import { ensureVenv } from '../../bin/venv.ts'
import type { AgentSettings } from '../../common/agent-settings.ts'
import { ServerCalls } from '../support/server-calls.ts'
import { startServer } from '../support/start-server.ts'
import { digestOf, type TestServer } from '../support/test-server.ts'

/** A tiny package of pure Python. */
const TINY = 'iniconfig==2.0.0'

/** A PATH without uv, and one with the real uv. */
const plain = (process.env.PATH ?? '')
  .split(delimiter)
  .filter((folder) => !folder.includes('uv'))
  .join(delimiter)
const withUv = async () =>
  `${dirname(await ensureVenv('test-uv', { packages: ['uv==0.13.8'] }))}${delimiter}${plain}`

/** Settings for an environment that no other test has, in `folder`. */
function fresh(folder: string, ...requirements: string[]): Partial<AgentSettings> {
  return {
    environmentsFolder: join(folder, 'environments'),
    environmentDigest: digestOf(folder),
    requirements,
  }
}

/** Puts an executable of this name into the folder; returns the PATH with it. */
async function program(folder: string, name: string, script: string): Promise<string> {
  await writeFile(join(folder, name), script)
  await chmod(join(folder, name), 0o755)
  return `${folder}${delimiter}${plain}`
}

/** What the agent has said so far. (Of what comes faster than it can be sent, a broker is told the latest alone.) */
const messages = (server: TestServer) => server.states.map(({ message }) => message)

/** Why it failed, from the agent's last words. */
async function failure(server: TestServer): Promise<string> {
  await server.agentEnded
  return (await server.said(({ state }) => state === 'failed')).message
}

for (const installer of ['pip', 'uv']) {
  t.test(
    `${installer} installs requirements and dill; progress is told; what is broken is made anew`,
    async (t) => {
      const settings = fresh(t.testdir(), TINY)
      const folder = join(settings.environmentsFolder!, settings.environmentDigest!)
      await mkdir(join(folder, 'bin'), { recursive: true }) // as an interrupted installation leaves it
      await writeFile(join(folder, 'bin', 'python'), 'not a Python')
      const PATH = installer === 'uv' ? await withUv() : plain
      const server = await ServerCalls.start({ settings, env: { PATH } })
      t.teardown(() => server.close())
      const { result } = await server.run(
        'def f():\n  import iniconfig, sys\n  return [iniconfig.__name__, sys.prefix]',
      )
      t.strictSame(result, ['iniconfig', folder])
      const told = messages(server.server)
      t.ok(told.includes(`Installing iniconfig, dill (with ${installer})`), told.join('\n'))
      t.ok(told.some((line) => /Downloading|Installed \d|Collecting|Prepared/.test(line)))
      t.strictSame(
        server.server.states.map(({ state }) => state).filter((state, i, all) => state !== all[i - 1]),
        ['starting', 'installing', 'ready'],
      )
      const again = await ServerCalls.start({ settings })
      t.teardown(() => again.close())
      t.notOk(
        messages(again.server).some((line) => line.startsWith('Installing')),
        'a complete one is used again',
      )
    },
  )
}

t.test('a function finds the environment’s programs and packages', async (t) => {
  const server = await ServerCalls.start()
  t.teardown(() => server.close())
  const { result } = await server.run(
    'def f():\n  import os, shutil, sys\n  return [shutil.which("python") == os.path.join(sys.prefix, "bin", "python"), os.environ["VIRTUAL_ENV"] == sys.prefix]',
  )
  t.strictSame(result, [true, true])
})

t.test('requirements that name a dill get that one', async (t) => {
  const server = await ServerCalls.start({
    settings: fresh(t.testdir(), 'dill==0.3.9'),
    env: { PATH: await withUv() },
  })
  t.teardown(() => server.close())
  const { result } = await server.run('def f():\n  import dill\n  return dill.__version__')
  t.equal(result, '0.3.9')
})

t.test('a failed installation: state, exit code 1, and the installer’s own words', async (t) => {
  const { broker, server } = await startServer(t, {
    settings: fresh(t.testdir(), 'no-such-package-of-rexec==1.0'),
    env: { PATH: await withUv() },
  })
  const [exitCode] = await server.agentEnded
  t.equal(exitCode, 1)
  t.match(
    await broker.state('failed'),
    /The installer said:\n.*no-such-package-of-rexec.*\[install_failed\]/s,
  )
  t.match(await server.said(({ state }) => state === 'failed'), { code: 'install_failed' })
  t.strictSame(await server.workerEnded, [1, null])
})

t.test('a requirement that would be an option or a shell command is a bad requirement', async (t) => {
  const folder = t.testdir()
  for (const requirement of ['--target=/tmp', '-r/etc/passwd', 'x; touch pwned', '$(touch pwned)']) {
    const settings = { ...fresh(folder, requirement), environmentDigest: digestOf(requirement) }
    const { server } = await startServer(t, { settings, env: { PATH: await withUv() } })
    t.match(await failure(server), '[install_failed]', requirement)
  }
  await t.rejects(readFile('pwned'))
})

t.test('two servers with one environment install it once', async (t) => {
  const settings = fresh(t.testdir(), TINY)
  const env = { PATH: await withUv() }
  const servers = await Promise.all([startServer(t, { settings, env }), startServer(t, { settings, env })])
  await Promise.all(servers.map(({ broker }) => broker.state('ready')))
  const installed = servers.filter(({ server }) =>
    messages(server).some((line) => line.startsWith('Installing')),
  )
  t.equal(installed.length, 1)
})

t.test('another Python than the settings say is python_missing', async (t) => {
  const { server } = await startServer(t, {
    settings: { python: '3.99', environmentDigest: digestOf('3.99') },
  })
  t.match(await failure(server), /Python 3\.99 was asked for.*\[python_missing\]/)
})

/** For PYTHONPATH: a pip from before --python, which hides the interpreter's own. */
const OLD_PIP = { 'pip-22.2.dist-info': { METADATA: 'Metadata-Version: 2.1\nName: pip\nVersion: 22.2\n' } }

t.test('an old pip or none: the environment gets a pip of its own', async (t) => {
  const folder = t.testdir(OLD_PIP)
  const settings = fresh(folder, TINY)
  const { broker } = await startServer(t, { settings, env: { PATH: plain, PYTHONPATH: folder } })
  await broker.state('ready')
  t.ok(existsSync(join(settings.environmentsFolder!, settings.environmentDigest!, 'bin/pip')))
})

t.test('a pip that can install elsewhere is not copied, which would take seconds', async (t) => {
  const settings = fresh(t.testdir(), TINY)
  const { broker } = await startServer(t, { settings, env: { PATH: plain } })
  await broker.state('ready')
  t.notOk(existsSync(join(settings.environmentsFolder!, settings.environmentDigest!, 'bin/pip')))
})

t.test('no uv, no pip, no ensurepip: the sentence says what to install', async (t) => {
  const folder = t.testdir({
    ...OLD_PIP,
    'ensurepip.py': 'raise ModuleNotFoundError("hidden", name="ensurepip")',
  })
  const settings = fresh(folder, TINY)
  const { server } = await startServer(t, { settings, env: { PATH: plain, PYTHONPATH: folder } })
  t.match(await failure(server), /ensurepip is missing.*python3-venv/)
})

t.test('installSeconds ends an installer that hangs, and what it has started', async (t) => {
  const folder = t.testdir()
  const PATH = await program(folder, 'uv', '#!/bin/sh\necho waiting for $$\nsleep 1000\n')
  const settings = { ...fresh(folder, TINY), installSeconds: 3 }
  const { server } = await startServer(t, { settings, env: { PATH } })
  t.match(await failure(server), 'not done after 3 seconds')
  const pid = /waiting for (\d+)/.exec(messages(server).join('\n'))![1]
  await t.rejects(readFile(`/proc/${pid}/stat`))
})

t.test('an agent that is killed ends the installation', async (t) => {
  const folder = t.testdir()
  const PATH = await program(folder, 'uv', '#!/bin/sh\necho waiting\nsleep 1000\n')
  const settings = { ...fresh(folder, TINY) }
  const { broker, server } = await startServer(t, { settings, env: { PATH } })
  await broker.seen(([, json]) => !!json?.includes('waiting'))
  server.agent.kill('SIGKILL')
  t.strictSame(await server.workerEnded, [1, null])
})

t.test('passwords of the index: not in arguments, logs or messages', async (t) => {
  const folder = t.testdir()
  const PATH = await program(
    folder,
    'uv',
    '#!/bin/sh\ncase "$*" in *s3cret-pass*) echo LEAK;; esac\necho "index $UV_DEFAULT_INDEX"\nexit 1\n',
  )
  const settings = { ...fresh(folder, TINY), indexUrl: 'https://me:s3cret-pass@example.org/simple' }
  const { server } = await startServer(t, { settings, env: { PATH } })
  await server.agentEnded
  const all = [...server.log, ...messages(server)].join('\n')
  t.match(all, 'example.org')
  t.notMatch(all, 's3cret-pass')
  t.notMatch(all, 'LEAK')
})

t.test('progress lines are short and without control characters', async (t) => {
  const folder = t.testdir()
  const PATH = await program(
    folder,
    'uv',
    '#!/bin/sh\nprintf "\\033[1mbold\\033[0m 10%%\\rnow \\001this\\n%0500d\\n\\n"\nexit 1\n',
  )
  const settings = { ...fresh(folder, TINY) }
  const { server } = await startServer(t, { settings, env: { PATH } })
  await server.agentEnded
  const told = messages(server)
  t.ok(told.includes('now this'))
  t.ok(told.slice(0, -1).every((line) => line.length <= 200))
})

t.test('systemSitePackages shows the packages of the image', async (t) => {
  const folder = t.testdir()
  const settings = { ...fresh(folder), systemSitePackages: true }
  const server = await ServerCalls.start({ settings, env: { PATH: await withUv() } })
  t.teardown(() => server.close())
  const { result } = await server.run('def f(): return open(__import__("sys").prefix + "/pyvenv.cfg").read()')
  t.match(result, /include-system-site-packages = true/)
})
