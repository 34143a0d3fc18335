import { spawn } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { cacheFolder } from '../bin/folders.ts'
import { client, clientOn, clientPython, clientPythons, clients } from './support/clients.ts'
import { findLeftovers } from './support/processes.ts'
import { type Counts, reportTap } from './support/tap-report.ts'

/**
 * `npm test [-- FILE OR FOLDER...]` (docs/developer/testing.md): makes what the tests need, runs tap, and ends with the
 * counts. A skipped test is a failure with REXEC_TEST_REQUIRE=all, and so is a process that a test has left behind.
 */
const root = join(import.meta.dirname, '..')
const asked = process.argv.slice(2).map(expand)
const strict = process.env.REXEC_TEST_REQUIRE === 'all'
const everything = asked.every((arg) => arg.startsWith('-'))

say('Tests of rexec: real processes and real Python clients, on the loopback interface only.')
const folder = await realpath(await mkdtemp(join(tmpdir(), 'rexec-')))
say(`Temporary files are in ${folder} until the end.`)
try {
  await buildTap()
  if (everything) await makeClients()
  say(`Skipped is what this machine lacks; ${strict ? 'here that is a failure.' : 'each with its reason.'}`)
  const { counts, exitCode } = await runTap()
  const problems = await findProblems(counts, exitCode)
  for (const problem of problems) say(problem)
  if (problems.length > 0) process.exitCode = 1
  const skipped = counts.skipped.length > 0 ? `, ${counts.skipped.length} skipped` : ''
  say(`\n${counts.passed} passed, ${counts.failed} failed${skipped}`)
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 3 })
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** tap takes no folder whose tests are TypeScript (it would, with its own compiler, which is off). */
function expand(arg: string): string {
  return statSync(arg, { throwIfNoEntry: false })?.isDirectory() ? join(arg, '**/*.test.ts') : arg
}

/** Makes the clients' environments beforehand, all at once: within a test the time for it would count. */
async function makeClients(): Promise<void> {
  say(`Python environments are kept in ${cacheFolder('venvs')}; missing ones are made now (a minute, once).`)
  const versions = Object.entries(await clientPythons())
  const makings: [name: string, making: Promise<string>][] = [
    ...clients.map((client) => [client.name, clientPython(client)] as [string, Promise<string>]),
    ...versions.map(
      ([version, path]) =>
        [`${client.name}, Python ${version}`, clientOn(version, path)] as [string, Promise<string>],
    ),
  ]
  for (const [name, making] of makings) {
    await making.then(
      () => say(`  ${name}`),
      (error: Error) => say(`  ${name} cannot be had: ${error.message}`),
    )
  }
}

/**
 * tap is built with its plugins, of which package.json leaves out its compiler. It would build itself within a run, too
 * late for that run; so it is done beforehand, once for each installation.
 */
async function buildTap(): Promise<void> {
  const built = join(root, 'node_modules/.tap-built')
  if (existsSync(built)) return
  say('Building tap with the plugins that package.json names, once.')
  const build = startTap(['build'])
  for await (const _progress of build.stdout);
  if ((await build.ended) !== 0) throw new Error('tap could not be built: see above')
  await writeFile(built, '')
}

/** With everything goes the coverage, whose floor is in package.json; a part cannot reach it. */
async function runTap(): Promise<{ counts: Counts; exitCode: number | null }> {
  const coverage = everything ? [] : ['--disable-coverage', '--allow-empty-coverage']
  const tap = startTap(['run', '--reporter=tap', ...coverage, ...asked])
  const counts = await reportTap(tap.stdout, say)
  return { counts, exitCode: await tap.ended }
}

function startTap(args: string[]): { stdout: Readable; ended: Promise<number | null> } {
  const tap = spawn(process.execPath, [join(root, 'node_modules/tap/dist/esm/run.mjs'), ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    // Every process of the tests has this path in its environment, and so can be found at the end.
    env: { ...process.env, TMPDIR: folder },
  })
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  tap.on('error', reject).on('close', resolve)
  return { stdout: tap.stdout, ended: promise }
}

async function findProblems({ passed, failed, skipped }: Counts, exitCode: number | null): Promise<string[]> {
  const problems: string[] = []
  for (const test of skipped) say(`skipped  ${test}`)
  if (strict && skipped.length > 0) problems.push('FAIL  skipped tests, with REXEC_TEST_REQUIRE=all')
  if (passed + failed === 0) problems.push('FAIL  no test ran')
  for (const { pid, command, mark } of await findLeftovers([folder, join(root, '.tap/fixtures')])) {
    problems.push(`FAIL  process ${pid} was left behind: ${command}`)
    // What tap has killed after a time-out could not clean up. (The fixtures may be of another run in this checkout.)
    if (mark === folder) process.kill(pid, 'SIGKILL')
  }
  if (exitCode !== 0 && failed === 0) problems.push('FAIL  tap was not content: see above (coverage?)')
  if (failed > 0) problems.push('FAIL  see above')
  return problems
}
