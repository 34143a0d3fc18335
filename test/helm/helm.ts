import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { HelmMajor } from '../cluster/tools/helm.ts'
import { helmTool } from '../cluster/tools.ts'
import { CHART } from '../support/chart.ts'

interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

export interface Helm {
  major: HelmMajor
  /** Runs a command to its end. @param values given as a file @throws Error with all that Helm says */
  run(args: string[], values?: object): Promise<string>
  /** What it says when it refuses these values. @throws Error if it takes them */
  refusal(values: object, release?: string): Promise<string>
}

/** Helm with a home of its own. @param kubeconfig without it no cluster is known */
export async function openHelm(t: Test, major: HelmMajor, kubeconfig = '/dev/null'): Promise<Helm> {
  const program = await helmTool(major)
  const home = await mkdtemp(join(tmpdir(), 'rexec-helm-'))
  t.teardown(() => rm(home, { recursive: true, force: true }))
  const env = { PATH: process.env.PATH, HOME: home, KUBECONFIG: kubeconfig }
  const run = async (args: string[], values?: object): Promise<Ended> => {
    const child = spawn(program, [...args, ...(values ? ['--values', '-'] : [])], { env })
    const ended: Ended = { code: null, stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (chunk: string) => {
        ended[name] += chunk
      })
    }
    // It may end before it has read everything.
    child.stdin.on('error', () => undefined).end(values && JSON.stringify(values))
    const { promise, resolve, reject } = Promise.withResolvers<number | null>()
    child.on('error', reject).on('close', resolve)
    ended.code = await promise
    return ended
  }
  return {
    major,
    async run(args, values) {
      const { code, stdout, stderr } = await run(args, values)
      if (code === 0) return stdout
      throw new Error(`helm ${args.join(' ')} ended with exit code ${code}: ${stdout}${stderr}`)
    },
    async refusal(values, release = 'rexec') {
      const { code, stderr } = await run(['template', release, CHART], values)
      if (code === 0) throw new Error('nothing was refused')
      return stderr
    },
  }
}
