import { spawn } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { glob, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { prepare } from './prepare.ts'
import { findLeftovers } from './support/processes.ts'
import { type Counts, reportTap } from './support/tap-report.ts'
import { mountsBelow, watchTraces } from './support/traces.ts'
import { TIERS, type Tier, tierOf } from './tiers.ts'

/**
 * `npm test [-- --tier=TIER] [FILE OR FOLDER...]` (docs/developer/testing.md): makes what the tests need, runs tap, and
 * ends with the counts. A skipped test is a failure with REXEC_TEST_REQUIRE=all, and so is what a test has left behind.
 */
const root = join(import.meta.dirname, '..')
const asked = process.argv.slice(2)
const wanted = asked.flatMap((arg) => /^--tier=(.*)/.exec(arg)?.[1] ?? [])
const names = asked.filter((arg) => !arg.startsWith('-'))
/** For tap. */
const options = asked.filter((arg) => /^-(?!-tier=)/.test(arg))
const strict = process.env.REXEC_TEST_REQUIRE === 'all'
const all = await findTests([join(root, 'test')])
const tiers = new Map<string, Tier>()
for (const file of names.length > 0 ? await findTests(names) : all) {
  const tier = await tierOf(file)
  if (wanted.length === 0 || wanted.includes(tier)) tiers.set(file, tier)
}
const everything = tiers.size === all.length
if (tiers.size === 0) fail(`no test is meant by ${asked.join(' ')} (tiers: ${TIERS.join(', ')})`)

say('Tests of rexec: real processes and real Python clients, on the loopback interface only.')
const folder = await realpath(await mkdtemp(join(tmpdir(), 'rexec-')))
say(`Temporary files are in ${folder} until the end.`)
try {
  await buildTap()
  // A test that is named by itself makes the Python environment that it uses.
  await prepare(
    [...tiers.values()].filter((tier) => names.length === 0 || tier !== 'unit'),
    say,
  )
  say(`Skipped is what this machine lacks; ${strict ? 'here that is a failure.' : 'each with its reason.'}`)
  const findTraces = await watchTraces(folder)
  const { counts, exitCode } = await runTap()
  const problems = await findProblems(counts, exitCode)
  for (const trace of await findTraces()) problems.push(`FAIL  ${trace} was left behind`)
  for (const problem of problems) say(problem)
  if (problems.length > 0) process.exitCode = 1
  const skipped = counts.skipped.length > 0 ? `, ${counts.skipped.length} skipped` : ''
  say(`\n${counts.passed} passed, ${counts.failed} failed${skipped}`)
} finally {
  // Through a mount that a test has left behind, more than the folder would be removed.
  const mounts = await mountsBelow(folder)
  if (mounts.length > 0) say(`Not removed, because of what is mounted below it: ${folder}`)
  else await rm(folder, { recursive: true, force: true, maxRetries: 3 })
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function fail(sentence: string): never {
  say(`FAIL  ${sentence}`)
  process.exit(1)
}

/** The test files that are named, and those in the folders that are named. */
async function findTests(names: string[]): Promise<string[]> {
  const found = new Set<string>()
  for (const name of names) {
    const path = relative(root, resolve(name))
    const isFolder = statSync(name, { throwIfNoEntry: false })?.isDirectory()
    const before = found.size
    for await (const file of glob(isFolder ? join(path, '**/*.test.ts') : path, { cwd: root }))
      found.add(file)
    if (found.size === before) fail(`there is no test ${name}, or it is named twice`)
  }
  return [...found].sort()
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
  const tap = startTap(['run', '--reporter=tap', ...coverage, ...options, ...tiers.keys()])
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

async function findProblems(
  { passed, failed, failures, skipped }: Counts,
  exitCode: number | null,
): Promise<string[]> {
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
  for (const failure of failures) problems.push(`FAIL  ${failure} (see above)`)
  return problems
}
