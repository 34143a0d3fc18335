import { createHash } from 'node:crypto'
import { copyFile, mkdir, readFile, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { cached, type Say } from './cached.ts'
import { type Layer, makeLayer, OURS, readLayer } from './layer.ts'
import { runProgram } from './program.ts'

const root = join(import.meta.dirname, '../../..')

/** Where the project lies in the image. */
const HOME = 'opt/rexec'

/** What of the checkout runs in production. */
const SOURCES = ['package.json', 'bin', 'proxy', 'broker', 'server', 'common']

/** Node and the production packages of package-lock.json, made once for each lock. */
export async function packagesLayer(say?: Say): Promise<Layer> {
  const manifests = ['package.json', 'package-lock.json']
  const texts = await Promise.all(manifests.map((name) => readFile(join(root, name), 'utf8')))
  const { devDependencies, dependencies, allowScripts } = JSON.parse(texts[0]!)
  const key = [process.version, devDependencies.node, dependencies, allowScripts, sha256(texts[1]!)]
  const folder = await cached('agent-packages', key, say, async (folder) => {
    const home = join(folder, 'root', HOME)
    await mkdir(home, { recursive: true })
    for (const name of manifests) await copyFile(join(root, name), join(home, name))
    await runProgram('npm', ['ci', '--omit=dev', '--no-audit', '--no-fund'], { cwd: home })
    for (const name of manifests) await rm(join(home, name))
    const programs = join(folder, 'root/usr/local/bin')
    await mkdir(programs, { recursive: true })
    await copyFile(process.execPath, join(programs, 'node'))
    await symlink(`/${HOME}/bin/rexec.ts`, join(programs, 'rexec'))
    await makeLayer(folder, [...OURS, `--directory=${join(folder, 'root')}`, 'opt', 'usr'])
    await rm(join(folder, 'root'), { recursive: true })
  })
  return readLayer(folder)
}

/** This checkout as it is now. @param folder where to make it */
export async function sourcesLayer(folder: string): Promise<Layer> {
  return makeLayer(folder, [
    ...OURS,
    `--directory=${root}`,
    `--transform=s,^,${HOME}/,S`,
    '--mode=a+rX',
    ...SOURCES,
  ])
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
