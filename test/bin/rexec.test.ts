import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { temporaryFolder } from '../support/local-cluster.ts'
import { rexec } from '../support/rexec-command.ts'

t.test('--help shows every command', async (t) => {
  for (const args of [['--help'], ['-h'], ['local', '--help']]) {
    const { code, stdout, stderr } = await rexec(t, args).ended
    t.equal(code, 0)
    t.equal(stderr, '')
    for (const command of ['local', 'demo', 'proxy', 'broker', 'agent', '--json', '--broker-port'])
      t.match(stdout, command)
  }
})

t.test('--version shows the version of the package', async (t) => {
  const { version } = JSON.parse(await readFile(join(import.meta.dirname, '../../package.json'), 'utf8'))
  t.match(await rexec(t, ['--version']).ended, { code: 0, stdout: `${version}\n` })
})

t.test('a wrong command line is answered with a sentence and exit code 2', async (t) => {
  const wrong: [string[], RegExp][] = [
    [[], /Say which command/],
    [['frobnicate'], /no command "frobnicate".*local, demo, proxy, broker, agent/],
    [['constructor'], /no command "constructor"/],
    [['__proto__'], /no command/],
    [['\u001b[2Jx'], /no command "\\u001b\[2Jx"/],
    [['local', '--no-such-option'], /Unknown option '--no-such-option'/],
    [['local', 'here'], /Unexpected argument 'here'/],
    [['local', '--port'], /--port/],
    [['local', '--port', 'http'], /--port must be a number from 0 to 65535, not "http"/],
    [['local', '--port', '65536'], /--port must be a number/],
    [['local', '--broker-port', '-1'], /--broker-port/],
    [['local', '--broker-port', '1e3'], /--broker-port must be a number/],
    [['local', '--log-level', 'loud'], /--log-level must be one of fatal, .*, not "loud"/],
    [['demo', '--fast'], /Unknown option '--fast'/],
  ]
  for (const [args, sentence] of wrong) {
    const { code, stdout, stderr } = await rexec(t, args).ended
    t.match({ code, stdout, stderr }, { code: 2, stdout: '', stderr: sentence }, args.join(' '))
    t.notMatch(stderr, /\n\s+at /, 'no stack')
  }
})

t.test('settings with problems are answered with all of them, without a stack', async (t) => {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'settings.yaml')
  await writeFile(file, 'clients: { port: none }\nnonsense: 1\n')
  const { code, stderr } = await rexec(t, ['broker', '--settings', file]).ended
  t.equal(code, 1)
  t.match(stderr, /nonsense: no such setting/)
  t.match(stderr, /clients\.port/)
  t.notMatch(stderr, /\n\s+at /)
})
