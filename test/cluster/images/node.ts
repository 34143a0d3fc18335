import { copyFile, mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cached, type Say } from './cached.ts'
import { makeLayer, OURS, readLayer } from './layer.ts'
import type { Image } from './oci.ts'
import { runProgram } from './program.ts'

const NPM = 'npm@11.19.1'

/** What a Dockerfile's stage with Node and npm starts from: Debian with the Node that runs this, and npm. */
export async function nodeImage(debian: Image, say?: Say): Promise<Image> {
  const folder = await cached('node', [process.version, NPM], say, async (folder) => {
    const local = join(folder, 'root/usr/local')
    await mkdir(join(local, 'bin'), { recursive: true })
    await runProgram('npm', ['install', '--global', `--prefix=${local}`, '--no-audit', '--no-fund', NPM])
    await copyFile(process.execPath, join(local, 'bin/node'))
    await makeLayer(folder, [...OURS, `--directory=${join(folder, 'root')}`, 'usr'])
    await rm(join(folder, 'root'), { recursive: true })
  })
  return { name: 'localhost/node:24', layers: [...debian.layers, await readLayer(folder)] }
}

/** How this machine fetches packages, as the Dockerfiles' secrets: npm's settings, pip's, and certificates to trust. */
export async function fetchSecrets(): Promise<Record<string, string>> {
  const setting = async (name: string) => (await runProgram('npm', ['config', 'get', name])).trim()
  const own = await readText(await setting('userconfig'))
  const authorities = process.env.NODE_EXTRA_CA_CERTS ?? (await setting('cafile'))
  return {
    npmrc: `${own}\nregistry=${await setting('registry')}\n`,
    pip: await readText('/etc/pip.conf'),
    ca: await readText(authorities),
  }
}

function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}
