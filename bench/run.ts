/**
 * `npm run bench`: speed as ratios to peers in the same run; docs/developer/performance.md says how to read it.
 *
 *   --only broker|stack   one half
 *   --quick               tiny counts, no huge arguments, one round: whether it works, not how fast
 *   --rounds N            rounds that count (default 5)
 *   --peers               also the naive brokers on zeromq.js and pyzmq
 *   --json                the result on stdout instead of tables
 *   --results FOLDER      where the result is kept as JSON (default bench/results)
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Problem } from '../bin/problem.ts'
import { ensureVenv } from '../bin/venv.ts'
import { type BrokerResult, brokerTable, type Duration, measureBroker } from './broker.ts'
import { type Facts, machineFacts } from './facts.ts'
import { keep } from './keep.ts'
import { runProgram, say } from './program.ts'
import { measureStack, type StackResult, stackTable } from './stack.ts'
import { VENV } from './venv.ts'

const HALVES = ['broker', 'stack']
const FULL: Duration = { warmUp: 100, round: 1000 }
const QUICK: Duration = { warmUp: 5, round: 20 }
/** Bytes of an argument, of which the naive brokers take seconds for the real largest. */
const QUICK_LARGEST = 8 * 1024 * 1024
/** Of the stack's calls. */
const QUICK_SHARE = 0.01

interface Result {
  facts: Facts
  broker?: BrokerResult
  stack?: StackResult
}

await runProgram(async () => {
  const { values: options } = parseArgs({
    options: {
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '5' },
      peers: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      results: { type: 'string', default: join(import.meta.dirname, 'results') },
    },
  })
  if (options.only && !HALVES.includes(options.only)) {
    throw new Problem(`--only takes one of: ${HALVES.join(', ')}.`, 2)
  }
  const rounds = options.quick ? 1 : Number(options.rounds)
  if (!(rounds >= 1)) throw new Problem('--rounds takes a number from 1 on.', 2)

  const python = await ensureVenv(VENV.name, { packages: VENV.packages, onLine: say })
  const result: Result = { facts: await machineFacts() }
  if (options.only !== 'stack') {
    const duration = options.quick ? QUICK : FULL
    const largest = options.quick ? QUICK_LARGEST : undefined
    result.broker = await measureBroker(python, { duration, rounds, all: options.peers, largest, say })
  }
  if (options.only !== 'broker') {
    say('stack')
    result.stack = await measureStack(python, rounds, options.quick ? QUICK_SHARE : 1)
  }
  const json = JSON.stringify(result, null, 2)
  console.log(options.json ? json : tables(result))
  say(`kept as ${await keep(options.results, json, result.facts.date)}`)
})

function tables({ facts, broker, stack }: Result): string {
  const parts = [
    Object.entries(facts)
      .map(([name, value]) => `${name} ${value}`)
      .join(' · '),
  ]
  if (broker) parts.push(brokerTable(broker))
  if (stack) parts.push(stackTable(stack))
  return parts.join('\n\n')
}
