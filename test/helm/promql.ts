import { join } from 'node:path'
import { ensureVenv } from '../../bin/venv.ts'
import { runProgram } from '../cluster/images/program.ts'

export interface Query {
  query: string
  metrics: string[]
  labels: string[]
}

/** A Python with a parser of PromQL, made on first use. */
export function promqlPython(): Promise<string> {
  return ensureVenv('promql', { packages: ['promql-parser==0.12.0'] })
}

/** What queries speak of. @throws Error with what is wrong about one */
export async function parseQueries(queries: string[]): Promise<Query[]> {
  const program = join(import.meta.dirname, 'promql.py')
  return JSON.parse(await runProgram(await promqlPython(), [program, JSON.stringify(queries)]))
}
