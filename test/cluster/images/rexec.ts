import { createHash } from 'node:crypto'
import { glob, readFile, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { version } from '../../../common/version.ts'
import { type Build, readImage, Storage } from './buildah.ts'
import { cached, type Say } from './cached.ts'
import { fetchSecrets, nodeImage } from './node.ts'
import type { Image } from './oci.ts'

const root = join(import.meta.dirname, '../../..')
const NAME = 'localhost/rexec:test'

/**
 * The image of this checkout as it is now, by the Dockerfile that users build. The packages are installed once for each
 * package-lock.json, with which the last layer has no more to do; the sources are added once for each state of them.
 */
export async function rexecImage(debian: Image, say?: Say): Promise<Image> {
  const node = await nodeImage(debian, say)
  const dockerfile = join(root, 'Dockerfile')
  const build: Build = {
    context: root,
    dockerfile,
    args: {
      NODE_IMAGE: node.name,
      BASE_IMAGE: debian.name,
      VERSION: version,
      REVISION: 'checkout',
      SOURCE: 'https://example.org/rexec',
      CREATED: '1970-01-01T00:00:00Z',
    },
    timeless: true,
  }
  const texts = await Promise.all([dockerfile, join(root, 'package-lock.json')].map((file) => readFile(file)))
  const key = [node.layers.map(({ digest }) => digest), ...texts.map(sha256)]
  const packages = await cached('rexec-packages', key, say, async (folder) => {
    const storage = await Storage.open(join(folder, 'storage'))
    for (const image of [debian, node]) await storage.add(image)
    await storage.build(NAME, { ...build, secrets: await fetchSecrets() })
    await storage.write(NAME, folder)
  })
  const folder = await cached('rexec', [basename(packages), await sources()], say, async (folder) => {
    const own = join(folder, 'storage')
    const storage = await Storage.open(own, join(packages, 'storage'))
    await storage.build(NAME, build)
    const { layers } = await readImage(packages, NAME)
    await storage.write(NAME, folder, layers.slice(0, -1))
    await rm(own, { recursive: true })
  })
  return readImage(folder, NAME)
}

/** What of the checkout is in the image: what .dockerignore lets in. */
async function sources(): Promise<string[]> {
  const lines = (await readFile(join(root, '.dockerignore'), 'utf8')).split('\n')
  const names = lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1))
  const files = []
  for await (const file of glob(`{${names}}{,/**}`, { cwd: root, exclude: ['**/__pycache__'] })) {
    if ((await stat(join(root, file))).isFile()) files.push(file)
  }
  return Promise.all(files.sort().map(async (file) => `${file} ${sha256(await readFile(join(root, file)))}`))
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
