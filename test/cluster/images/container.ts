import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { Test } from 'tap'
import type { Image } from './oci.ts'
import { runProgram } from './program.ts'

/** What a kubelet does with the strictest security context: read-only root, an empty /tmp, a network of its own. */
const SCRIPT = `
set -eu
root=$1 files=$2
shift 2
ip link set lo up
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
mount --bind "$files" "$root/mnt"
exec setpriv --no-new-privs "$@"
`
/** tap has every process of a test load a file of its own, which is not in there. */
const WITHOUT_TAP = ['--unset=NODE_OPTIONS']
const NAMESPACES = ['--mount', '--pid', '--net', '--ipc', '--uts', '--fork', '--kill-child']

/** The files of an image, in an empty folder. (Of layers that remove files it would have too many.) */
export async function unpack({ layers }: Image, folder: string): Promise<void> {
  for (const { path } of layers)
    await runProgram('tar', ['--extract', '--numeric-owner', `--file=${path}`, `--directory=${folder}`])
}

export interface Ended {
  code: number | null
  output: string
}

export interface ContainerOptions {
  /** The image, unpacked. */
  root: string
  /** Folder that is /mnt in it. */
  files: string
  args: string[]
  /** Instead of the image's. */
  entrypoint?: string[]
  /** Beside the image's. */
  env?: Record<string, string>
}

/**
 * A container without a container runtime, whose first process is the image's. Its network is its own: any port is
 * free, and only loopback is there.
 */
export class Container {
  readonly #child: ChildProcess
  readonly #config: Record<string, unknown>
  readonly #env: NodeJS.ProcessEnv
  output = ''
  readonly ended: Promise<Ended>

  /** @param options what to run, and with what. */
  constructor(t: Test, image: Image, { root, files, args, entrypoint, env = {} }: ContainerOptions) {
    this.#config = image.config!
    this.#env = { ...Object.fromEntries((this.#config.Env as string[]).map(pair)), ...env }
    const [uid, gid] = this.#user
    const inside = ['unshare', `--root=${root}`, `--wd=${this.#config.WorkingDir}`]
    const command = entrypoint ?? (this.#config.Entrypoint as string[])
    this.#child = spawn(
      'env',
      [
        ...WITHOUT_TAP,
        'unshare',
        ...NAMESPACES,
        ...['sh', '-c', SCRIPT, 'sh', root, files],
        ...[...inside, `--setgid=${gid}`, `--setuid=${uid}`, ...command, ...args],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'], env: this.#env },
    )
    t.teardown(() => {
      this.#child.kill('SIGKILL')
      return this.ended
    })
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.setEncoding('utf8').on('data', (chunk) => {
        this.output += chunk
      })
    }
    this.ended = once(this.#child, 'close').then(([code]) => ({ code, output: this.output }))
  }

  /** Resolves when it has written this. */
  async said(text: string): Promise<void> {
    while (!this.output.includes(text)) {
      const ended = await Promise.race([once(this.#child.stdout!, 'data').then(() => undefined), this.ended])
      if (ended && !this.output.includes(text)) throw new Error(`it ended without ${text}:\n${this.output}`)
    }
  }

  /** Sends its first process a signal. */
  async signal(name: NodeJS.Signals): Promise<void> {
    process.kill(await this.#first(), name)
  }

  /** Runs another program in it, as a health check is. */
  async run(command: string[]): Promise<Ended> {
    const [uid, gid] = this.#user
    const enter = [`--target=${await this.#first()}`, '--mount', '--pid', '--net', '--root', '--wd']
    const args = [...enter, `--setgid=${gid}`, `--setuid=${uid}`, ...command]
    const child = spawn('env', [...WITHOUT_TAP, 'nsenter', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: this.#env,
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk) => {
        output += chunk
      })
    }
    const [code] = await once(child, 'close')
    return { code, output }
  }

  get #user(): string[] {
    return String(this.#config.User).split(':')
  }

  /** As this machine counts: unshare's only child. */
  async #first(): Promise<number> {
    const { pid } = this.#child
    return Number(await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8'))
  }
}

function pair(line: string): string[] {
  return line.split(/=(.*)/s)
}
