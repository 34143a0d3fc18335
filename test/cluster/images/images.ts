import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { borrow } from './borrow.ts'
import { cached, type Say } from './cached.ts'
import { debianLayer } from './debian.ts'
import { type Layer, makeLayer, OURS, readLayer } from './layer.ts'
import { type Image, writeLayout } from './oci.ts'
import { runAlone, runProgram } from './program.ts'
import { rexecImage } from './rexec.ts'

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
  /** Digests of layers that are in it. */
  layers: Set<string>
  /** The image of this checkout; all its layers but the last, which has the sources, are in it. */
  rexec: Image
}

/** All images but for the sources of rexec, imported and unpacked. Made once, in some minutes. */
export async function imageStore(say?: Say): Promise<Store> {
  // One after the other: each is bound by the processor.
  const debian = await debianImage(say)
  const rexec = await rexecImage(debian, say)
  const packages = { name: 'localhost/rexec-packages:test', layers: rexec.layers.slice(0, -1) }
  const pause: Image = {
    name: IMAGES.pause,
    layers: [await pauseLayer(say)],
    config: { Entrypoint: ['/pause'] },
  }
  const images = [pause, debian, packages]
  for (const version of Object.keys(PYTHONS)) images.push(await pythonBase(version, say))
  const folder = await cached('containerd', images.map(withoutPaths), say, (folder) => unpack(folder, images))
  return { folder: join(folder, 'root'), layers: digests(images), rexec }
}

/**
 * The store with a test's own images too: another one, which lies in the first, has links to the files of that, and goes
 * with it. An image of hundreds of megabytes costs a cluster half a minute otherwise, and as much to be removed.
 */
export async function withImages(store: Store, images: Image[], say?: Say): Promise<Store> {
  if (images.length === 0) return store
  const folder = await cached(
    'more',
    images.map(withoutPaths),
    say,
    async (folder) => {
      await borrow(store.folder, join(folder, 'root'))
      await unpack(folder, images, store.layers)
    },
    dirname(store.folder),
  )
  return { ...store, folder: join(folder, 'root'), layers: new Set([...store.layers, ...digests(images)]) }
}

/** Imports images into FOLDER/root. @param present digests of layers that are in it already */
async function unpack(folder: string, images: Image[], present?: Set<string>): Promise<void> {
  const layout = join(folder, 'layout')
  await writeLayout(layout, images, present)
  await runAlone([join(import.meta.dirname, 'store.sh'), join(folder, 'root'), layout])
  await rm(layout, { recursive: true })
}

function digests(images: Image[]): Set<string> {
  return new Set(images.flatMap(({ layers }) => layers.map(({ digest }) => digest)))
}

/** Debian with what it needs to trust servers on the internet. */
export async function debianImage(say?: Say): Promise<Image> {
  return { name: IMAGES.debian, layers: [await debianLayer('bookworm', ['ca-certificates'], say)] }
}

/** Debian with its Python. @param version one of PYTHONS */
export async function pythonBase(version: string, say?: Say): Promise<Image> {
  const packages = ['python3', 'python3-venv', 'python3-pip', 'ca-certificates']
  const layer = await debianLayer(PYTHONS[version]!, packages, say)
  return { name: IMAGES.pythons[version]!, layers: [layer], config: { Cmd: ['python3'] } }
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
