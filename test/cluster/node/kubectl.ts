import { type ChildProcess, spawn } from 'node:child_process'
import { dirname, join } from 'node:path'

/** Runs kubectl with a kubeconfig. */
export class Kubectl {
  readonly #program: string
  readonly #running = new Set<ChildProcess>()
  readonly kubeconfig: string

  constructor(program: string, kubeconfig: string) {
    this.#program = program
    this.kubeconfig = kubeconfig
  }

  /** @returns its stdout @throws Error with its stderr */
  readonly run = (...args: string[]): Promise<string> => this.#run(args)

  /** Makes objects, or makes them so. */
  readonly apply = async (manifest: object | object[]): Promise<void> => {
    const items = [manifest].flat()
    await this.#run(
      ['apply', '--server-side', '--force-conflicts', '-f', '-'],
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
    )
  }

  /** A token of a service account, for an hour. */
  async token({ serviceAccount, namespace }: { serviceAccount: string; namespace: string }): Promise<string> {
    return (await this.run('create', 'token', serviceAccount, `--namespace=${namespace}`)).trim()
  }

  /** Ends those that still run, such as one that waits for what will not come: its cluster ends. */
  readonly end = (): void => {
    for (const child of this.#running) child.kill('SIGKILL')
  }

  async #run(args: string[], input = ''): Promise<string> {
    // What it remembers of a cluster goes by the address, which another cluster may have had before.
    const env = { ...process.env, KUBECACHEDIR: join(dirname(this.kubeconfig), 'cache') }
    const child = spawn(this.#program, ['--kubeconfig', this.kubeconfig, ...args], { env })
    const output = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      output.stdout += chunk
    })
    child.stderr.setEncoding('utf8').on('data', (chunk) => {
      output.stderr += chunk
    })
    // It may end before it has read everything.
    child.stdin.on('error', () => undefined).end(input)
    const { promise, resolve, reject } = Promise.withResolvers<number | null>()
    child.on('error', reject).on('close', resolve)
    this.#running.add(child)
    const code = await promise.finally(() => this.#running.delete(child))
    if (code === 0) return output.stdout
    throw new Error(`kubectl ${args.join(' ')} ended with exit code ${code}: ${output.stderr.trim()}`)
  }
}
