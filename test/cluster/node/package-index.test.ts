import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { servePackages } from './package-index.ts'

t.test('a simple index (PEP 503) of a folder', async (t) => {
  const folder = t.testdir({
    'Some_Name.x-1.0-py3-none-any.whl': 'one',
    'some_name.x-1.1-py3-none-any.whl': 'two',
  })
  const index = await servePackages(folder, '127.0.0.1')
  t.teardown(() => index.close())
  const get = async (path: string) => {
    const response = await fetch(new URL(path, index.url))
    return { status: response.status, body: await response.text() }
  }
  t.match((await get('')).body, 'href="some-name-x/"')
  const { body } = await get('some-name-x/')
  const links = [...body.matchAll(/href="([^"]+)"/g)].map(([, href]) => href!)
  t.equal(links.length, 2)
  t.equal((await get(new URL(links[0]!, `${index.url}some-name-x/`).pathname)).body, 'one')
  t.equal((await get('other/')).status, 404)

  const { hostname, port } = new URL(index.url)
  const secret = `..%2F${import.meta.filename.split('/').at(-1)}`
  for (const path of [
    `/files/${secret}`,
    '/files/../package-index.test.ts',
    '/files/%',
    '/simple/some-name-x',
  ]) {
    const socket = connect(Number(port), hostname).end(
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    )
    t.match(await text(socket), /^HTTP\/1.1 404 /, `not ${path}`)
  }
})
