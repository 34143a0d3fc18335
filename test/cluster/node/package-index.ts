import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { createServer, type Server, type ServerResponse } from 'node:http'
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

/** A simple index (PEP 503) of a folder of wheels. */
export async function servePackages(folder: string, host: string): Promise<PackageIndex> {
  const files = await readdir(folder)
  const projects = Map.groupBy(files, projectOf)
  const server: Server = createServer(({ url = '/' }, response) => {
    const [, root, name, rest] = url.split('/')
    if (root === 'simple' && !name)
      return page(
        response,
        [...projects.keys()].map((project) => [`${project}/`, project]),
      )
    const found = root === 'simple' && rest === '' && projects.get(name!)
    if (found)
      return page(
        response,
        found.map((file) => [`../../files/${file}`, file]),
      )
    if (root === 'files' && files.includes(decodeURIComponent(name ?? ''))) {
      return createReadStream(join(folder, decodeURIComponent(name!))).pipe(response)
    }
    response.writeHead(404).end()
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

function page(response: ServerResponse, links: [href: string, text: string][]): void {
  response.setHeader('content-type', 'text/html')
  response.end(
    `<!DOCTYPE html>\n${links.map(([href, text]) => `<a href="${href}">${text}</a><br>`).join('\n')}\n`,
  )
}
