import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { sharedPython } from '../../support/shared-python.ts'
import { cached, type Say } from '../images/cached.ts'
import { PYTHONS } from '../images/images.ts'
import { runProgram } from '../images/program.ts'

/** What most tests install. */
const PACKAGES = ['dill==0.4.0', 'six==1.17.0']

/** A folder of wheels for all Python images: these packages and what they depend on. */
export async function downloadWheels(packages: string[] = [], say?: Say): Promise<string> {
  const wanted = [...PACKAGES, ...packages]
  return cached('wheels', [wanted, Object.keys(PYTHONS)], say, async (folder) => {
    const python = await sharedPython()
    for (const version of Object.keys(PYTHONS)) {
      const options = ['--quiet', '--only-binary=:all:', `--python-version=${version}`, '--dest', folder]
      await runProgram(python, [
        '-I',
        '-m',
        'pip',
        '--disable-pip-version-check',
        'download',
        ...options,
        ...wanted,
      ])
    }
  })
}

export interface PackageIndex {
  url: string
  close(): Promise<void>
}

/** A simple index (PEP 503) of the wheels that are in a folder now. */
export async function servePackages(folder: string, host: string): Promise<PackageIndex> {
  const files = await readdir(folder)
  const projects = Map.groupBy(files, projectOf)
  const pages = new Map([['/simple/', page([...projects.keys()].map((name) => [`${name}/`, name]))]])
  for (const [name, wheels] of projects) {
    pages.set(
      `/simple/${name}/`,
      page(wheels.map((file) => [`../../files/${encodeURIComponent(file)}`, file])),
    )
  }
  const paths = new Map(files.map((file) => [`/files/${encodeURIComponent(file)}`, join(folder, file)]))
  const server = createServer(({ url = '' }, response) => {
    const path = paths.get(url)
    if (path) return createReadStream(path).pipe(response)
    const html = pages.get(url)
    response.writeHead(html ? 200 : 404, { 'content-type': 'text/html' }).end(html)
  })
  server.listen(0, host)
  await once(server, 'listening')
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}/simple/`,
    async close() {
      server.close().closeAllConnections()
      await once(server, 'close')
    },
  }
}

/** PEP 503's form of the name of a wheel's project. */
function projectOf(file: string): string {
  return file
    .split('-')[0]!
    .replaceAll(/[-_.]+/g, '-')
    .toLowerCase()
}

function page(links: [href: string, text: string][]): string {
  return `<!DOCTYPE html>\n${links.map(([href, text]) => `<a href="${href}">${text}</a><br>\n`).join('')}`
}
