import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { readImage, Storage } from './buildah.ts'
import { cached, type Say } from './cached.ts'
import { debianImage, PYTHONS, pythonBase } from './images.ts'
import { fetchSecrets, nodeImage } from './node.ts'
import type { Image } from './oci.ts'

export interface PythonImageOptions {
  /** Requirements with exact versions. */
  packages: string[]
  /** Which Python: one of PYTHONS. */
  python?: string
  /** Packages from npm with exact versions: their programs, and node, are in the PATH. */
  programs?: string[]
}

/**
 * An image of a test's own: a Debian with Python and packages from PyPI, in a virtual environment that is first in the
 * PATH. It runs as 1000:1000 in /tmp. Made once for each set of options, in a minute or two: not within a test, but in
 * test/prepare.ts. Pods use it by its name, with imagePullPolicy Never:
 *
 *     const hub = await pythonImage('hub', { packages: ['jupyterhub==6.1.1'], programs: ['configurable-http-proxy@5.3.0'] })
 *     const cluster = await startNodeCluster(t, { images: [hub] })   // hub.name is localhost/hub:test
 */
export async function pythonImage(name: string, options: PythonImageOptions, say?: Say): Promise<Image> {
  const { packages, python = Object.keys(PYTHONS)[0]!, programs = [] } = options
  const fullName = `localhost/${name}:test`
  const base = await pythonBase(python, say)
  const node = programs.length > 0 ? await nodeImage(await debianImage(say), say) : undefined
  const images = node ? [base, node] : [base]
  const key = [images.map(({ layers }) => layers.map(({ digest }) => digest)), packages, programs]
  const folder = await cached(`python-${name}`, key, say, async (folder) => {
    const own = join(folder, 'storage')
    const storage = await Storage.open(own)
    for (const image of images) await storage.add(image)
    await storage.build(fullName, {
      context: import.meta.dirname,
      dockerfile: join(import.meta.dirname, 'python.Dockerfile'),
      args: {
        BASE_IMAGE: base.name,
        NODE_IMAGE: (node ?? base).name,
        PACKAGES: packages.join(' '),
        PROGRAMS: programs.join(' '),
        PIP_INDEX_URL: process.env.PIP_INDEX_URL ?? '',
      },
      secrets: await fetchSecrets(),
      target: node ? 'programs' : 'packages',
    })
    await storage.write(fullName, folder, base.layers)
    await rm(own, { recursive: true })
  })
  return readImage(folder, fullName)
}
