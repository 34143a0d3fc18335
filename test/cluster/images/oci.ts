import { createHash } from 'node:crypto'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Layer } from './layer.ts'

export interface Image {
  /** With registry and tag, as pods name it. */
  name: string
  layers: Layer[]
  /** Of the container, with the capital names of the OCI image specification: Cmd, Entrypoint, Env, User… */
  config?: Record<string, unknown>
}

const PREFIX = 'application/vnd.oci.image'

/**
 * Writes images as an OCI image layout, whose layers are symbolic links.
 * @param present digests of layers that the receiver has, which are left out
 */
export async function writeLayout(
  folder: string,
  images: Image[],
  present: Set<string> = new Set(),
): Promise<void> {
  const blobs = join(folder, 'blobs/sha256')
  await mkdir(blobs, { recursive: true })
  const manifests = []
  for (const { name, layers, config = {} } of images) {
    for (const { digest, path } of layers) {
      if (present.has(digest)) continue
      await symlink(path, join(blobs, hex(digest))).catch(ignoreExisting)
    }
    const settings = await writeBlob(blobs, {
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], ...config },
      rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
      // buildah wants an entry for each.
      history: layers.map(() => ({ created: '1970-01-01T00:00:00Z' })),
    })
    const manifest = await writeBlob(blobs, {
      schemaVersion: 2,
      mediaType: `${PREFIX}.manifest.v1+json`,
      config: { mediaType: `${PREFIX}.config.v1+json`, ...settings },
      layers: layers.map(({ digest, size }) => ({ mediaType: `${PREFIX}.layer.v1.tar`, digest, size })),
    })
    manifests.push({
      mediaType: `${PREFIX}.manifest.v1+json`,
      ...manifest,
      annotations: { 'io.containerd.image.name': name },
    })
  }
  await writeFile(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
  await writeFile(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }))
}

async function writeBlob(blobs: string, content: unknown): Promise<{ digest: string; size: number }> {
  const text = JSON.stringify(content)
  const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`
  await writeFile(join(blobs, hex(digest)), text)
  return { digest, size: Buffer.byteLength(text) }
}

function hex(digest: string): string {
  return digest.slice('sha256:'.length)
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}
