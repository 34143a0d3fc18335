import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Image, writeLayout } from './oci.ts'
import { runAlone } from './program.ts'

/** What `docker build` would be told. */
export interface Build {
  context: string
  dockerfile: string
  /** Build arguments. */
  args: Record<string, string>
  /** Contents of secret mounts. */
  secrets?: Record<string, string>
  target?: string
  /** All files have the time 0, so that the same files make the same layers. */
  timeless?: boolean
}

/**
 * Where buildah keeps images and the layers of steps that need not be done again. It needs neither a daemon nor a
 * registry, and touches nothing outside the folder.
 */
export class Storage {
  private readonly folder: string
  private readonly configuration: string

  private constructor(folder: string) {
    this.folder = folder
    this.configuration = join(folder, 'storage.conf')
  }

  /** @param below a storage that is only read: its images and steps are as if they were here */
  static async open(folder: string, below?: string): Promise<Storage> {
    const storage = new Storage(folder)
    await mkdir(join(folder, 'tmp'), { recursive: true, mode: 0o700 })
    await writeFile(
      storage.configuration,
      `[storage]
driver = "overlay"
graphroot = "${join(folder, 'images')}"
runroot = "${join(folder, 'run')}"
[storage.options]
additionalimagestores = [${below ? `"${join(below, 'images')}"` : ''}]
`,
    )
    return storage
  }

  async add(image: Image): Promise<void> {
    const layout = join(this.folder, 'tmp/layout')
    await writeLayout(layout, [image])
    await this.run('skopeo', '--insecure-policy', 'copy', '--quiet', `oci:${layout}`, stored(image.name))
    await rm(layout, { recursive: true })
  }

  /** Makes the image of this name. In Docker's format: OCI's has no HEALTHCHECK. */
  async build(name: string, build: Build): Promise<void> {
    const { context, dockerfile, args, secrets = {}, target, timeless } = build
    const files = []
    try {
      for (const [id, text] of Object.entries(secrets)) {
        const file = join(this.folder, 'tmp', id)
        files.push(file)
        await writeFile(file, text, { mode: 0o600 })
      }
      await this.run(
        ...['buildah', 'bud', '--layers', '--format=docker', '--pull-never', '--isolation=chroot'],
        ...Object.entries(args).map(([key, value]) => `--build-arg=${key}=${value}`),
        ...Object.keys(secrets).map((id) => `--secret=id=${id},src=${join(this.folder, 'tmp', id)}`),
        ...(target ? [`--target=${target}`] : []),
        ...(timeless ? ['--timestamp=0'] : []),
        ...[`--file=${dockerfile}`, `--tag=${name}`, context],
      )
    } finally {
      for (const file of files) await rm(file, { force: true })
    }
  }

  /** Writes an image into a folder, where readImage() finds it. @param given layers that need not be written again */
  async write(name: string, folder: string, given: Image['layers'] = []): Promise<void> {
    const layout = join(folder, 'layout')
    const blobs = join(layout, 'blobs/sha256')
    await mkdir(blobs, { recursive: true })
    for (const { digest, path } of given) await symlink(path, join(blobs, digest.slice('sha256:'.length)))
    const copy = ['skopeo', '--insecure-policy', 'copy', '--quiet', '--dest-oci-accept-uncompressed-layers']
    await this.run(...copy, stored(name), `oci:${layout}`)
    const config = await this.run('skopeo', 'inspect', '--config', '--raw', stored(name))
    await writeFile(join(folder, 'config.json'), config)
  }

  /** Alone, since what it mounts must go with it, even if it is killed. */
  private run(...command: string[]): Promise<string> {
    return runAlone(command, {
      env: {
        ...process.env,
        CONTAINERS_STORAGE_CONF: this.configuration,
        STORAGE_DRIVER: 'overlay',
        TMPDIR: join(this.folder, 'tmp'),
      },
    })
  }
}

/** An image that Storage.write() has written there. */
export async function readImage(folder: string, name: string): Promise<Image> {
  const blob = (digest: string) => join(folder, 'layout/blobs', digest.replace(':', '/'))
  const json = async (path: string) => JSON.parse(await readFile(path, 'utf8'))
  const index = await json(join(folder, 'layout/index.json'))
  const { layers } = await json(blob(index.manifests[0].digest))
  const { config } = await json(join(folder, 'config.json'))
  return {
    name,
    layers: layers.map(({ digest, size }: Image['layers'][number]) => ({ digest, size, path: blob(digest) })),
    config,
  }
}

function stored(name: string): string {
  return `containers-storage:${name}`
}
