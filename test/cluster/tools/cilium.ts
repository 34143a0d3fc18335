import { chmod, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Recipe } from './cache.ts'
import { goVersion, run } from './go.ts'

const MODULE = join(import.meta.dirname, 'cilium')
const NAME = 'github.com/cilium/cilium'
const COMMANDS = { 'cilium-agent': 'daemon', 'cilium-cni': 'plugins/cilium-cni' }

/** Found before the real ones by an agent that has path/ first in its PATH. */
const WRAPPERS = {
  // Cilium 1.15 compiles its BPF programs with -Werror; clang 19 warns of things that came after it.
  clang: '[ "$1" = --version ] && exec clang-19 --version\nexec clang-19 "$@" -w',
  // Everything is built into the kernel, there is nothing to load.
  modprobe: 'exit 0',
}

/**
 * The newest Cilium whose dependencies the Go module proxy has. The folder gets bin/ (agent and CNI plugin), lib/bpf
 * (the programs that the agent compiles), crds/ and path/ (wrappers).
 */
export async function ciliumRecipe(): Promise<Recipe> {
  const [mod, sum, recipe] = await Promise.all(
    [join(MODULE, 'go.mod'), join(MODULE, 'go.sum'), import.meta.filename].map((file) =>
      readFile(file, 'utf8'),
    ),
  )
  const version = /cilium\/cilium (v[\d.]+)/.exec(mod!)![1]!
  return {
    name: 'cilium',
    inputs: [mod!, sum!, recipe!, await goVersion(MODULE)],
    async build(folder) {
      const build = join(folder, 'build')
      const source = join(build, 'src')
      await mkdir(build)
      await writeFile(join(build, 'go.mod'), mod!)
      await writeFile(join(build, 'go.sum'), sum!)
      await copySource(version, source)
      await patch(source)
      await compile(build, version, join(folder, 'bin'))
      await cp(join(source, 'bpf'), join(folder, 'lib/bpf'), { recursive: true })
      const crds = join(source, 'pkg/k8s/apis/cilium.io/client/crds')
      for (const group of ['v2', 'v2alpha1']) {
        await cp(join(crds, group), join(folder, 'crds', group), { recursive: true })
      }
      await writeWrappers(join(folder, 'path'))
      await rm(build, { recursive: true })
    },
  }
}

async function copySource(version: string, source: string): Promise<void> {
  const json = await run('go', ['mod', 'download', '-json', `${NAME}@${version}`], { cwd: MODULE })
  // Without their modes: in Go's own cache everything is read-only.
  await run('cp', ['-r', '--no-preserve=mode', JSON.parse(json).Dir, source], { cwd: MODULE })
}

/** A kernel without loadable modules has no /proc/modules, which the agent takes for an error. */
async function patch(source: string): Promise<void> {
  const file = join(source, 'pkg/datapath/linux/modules/modules_linux.go')
  const text = await readFile(file, 'utf8')
  const patched = text.replaceAll('"/proc/modules"', '"/dev/null"')
  if (patched === text) throw new Error(`${file} is not as it was: look at what the patch is for`)
  await writeFile(file, patched)
}

async function compile(cwd: string, version: string, bin: string): Promise<void> {
  const stamp = `-X ${NAME}/pkg/version.ciliumVersion=${version.slice(1)}`
  for (const [command, path] of Object.entries(COMMANDS)) {
    const flags = ['-trimpath', '-tags', 'osusergo', '-ldflags', `-s -w ${stamp}`]
    await run('go', ['build', ...flags, '-o', join(bin, command), `${NAME}/${path}`], {
      cwd,
      // go.mod names what is chosen; the rest of it follows from that.
      env: { CGO_ENABLED: '0', GOFLAGS: '-mod=mod -buildvcs=false' },
    })
  }
}

async function writeWrappers(folder: string): Promise<void> {
  await mkdir(folder)
  for (const [name, text] of Object.entries(WRAPPERS)) {
    await writeFile(join(folder, name), `#!/bin/sh\n${text}\n`)
    await chmod(join(folder, name), 0o755)
  }
}
