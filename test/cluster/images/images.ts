import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { packagesLayer, sourcesLayer } from './agent.ts'
import { cached, type Say } from './cached.ts'
import { debianLayer } from './debian.ts'
import { type Layer, makeLayer, OURS, readLayer } from './layer.ts'
import { type Image, writeLayout } from './oci.ts'
import { runAlone, runProgram } from './program.ts'

/** Which Debian has which Python. */
export const PYTHONS: Record<string, string> = { '3.11': 'bookworm', '3.13': 'trixie' }

/** Without a registry there is no need for more of a name; a pod's imagePullPolicy must not be Always. */
export const IMAGES = {
  pause: 'localhost/pause:1',
  /** Debian, for what a test has the program of. */
  debian: 'localhost/debian:12',
  agent: 'localhost/rexec:test',
  pythons: Object.fromEntries(
    Object.keys(PYTHONS).map((version) => [version, `localhost/python:${version}`]),
  ),
}

export interface Store {
  /** Root of a containerd that has the images. Nobody may write to it. */
  folder: string
  /** The agent's image without the sources. */
  agent: Image
}

/** All images but for the agent's sources, imported and unpacked. Made once, in some minutes. */
export async function imageStore(say?: Say): Promise<Store> {
  // One after the other: each is bound by the processor.
  const debian = await debianLayer('bookworm', ['ca-certificates'], say)
  const packages = await packagesLayer(say)
  const agent: Image = {
    name: 'localhost/rexec-packages:test',
    layers: [debian, packages],
    config: { Entrypoint: ['rexec'], User: '65532:65532' },
  }
  const images: Image[] = [
    { name: IMAGES.pause, layers: [await pauseLayer(say)], config: { Entrypoint: ['/pause'] } },
    { name: IMAGES.debian, layers: [debian] },
    agent,
  ]
  for (const [version, suite] of Object.entries(PYTHONS)) {
    const layer = await debianLayer(suite, ['python3', 'python3-venv', 'python3-pip', 'ca-certificates'], say)
    images.push({ name: IMAGES.pythons[version]!, layers: [layer], config: { Cmd: ['python3'] } })
  }
  const folder = await cached('containerd', images.map(withoutPaths), say, async (folder) => {
    const layout = join(folder, 'layout')
    await writeLayout(layout, images)
    await runAlone([join(import.meta.dirname, 'store.sh'), join(folder, 'root'), layout])
    await rm(layout, { recursive: true })
  })
  return { folder: join(folder, 'root'), agent }
}

/** The agent's image of this checkout as an OCI layout, without the layers that a store's containerd has. */
export async function writeAgent(folder: string, { agent }: Store): Promise<void> {
  await mkdir(folder, { recursive: true })
  const sources = await sourcesLayer(folder)
  const present = new Set(agent.layers.map(({ digest }) => digest))
  const image = { ...agent, name: IMAGES.agent, layers: [...agent.layers, sources] }
  await writeLayout(join(folder, 'layout'), [image], present)
}

async function pauseLayer(say?: Say): Promise<Layer> {
  const folder = await cached('pause', 1, say, async (folder) => {
    const source = join(import.meta.dirname, 'pause.c')
    await runProgram('cc', ['-Os', '-static', '-s', '-o', join(folder, 'pause'), source])
    await makeLayer(folder, [...OURS, `--directory=${folder}`, 'pause'])
  })
  return readLayer(folder)
}

function withoutPaths({ name, layers, config }: Image): unknown {
  return [name, layers.map(({ digest }) => digest), config]
}
