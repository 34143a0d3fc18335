import { createHash } from 'node:crypto'
import { access, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { makeLayer, OURS, readLayer } from './layer.ts'
import { writeLayout } from './oci.ts'

t.test('the same files make the same layer', async (t) => {
  const digests = []
  for (const name of ['one', 'two']) {
    const root = join(t.testdir(), name)
    await mkdir(join(root, 'files'), { recursive: true })
    await writeFile(join(root, 'files/a'), 'a')
    await writeFile(join(root, 'files/b'), 'b')
    const layer = await makeLayer(root, [...OURS, `--directory=${root}`, 'files'])
    t.same(layer, await readLayer(root))
    digests.push(layer.digest)
  }
  t.equal(digests[0], digests[1])
})

t.test('a layout has every blob under its digest, but for the layers that the receiver has', async (t) => {
  const folder = t.testdir({ kept: { file: 'kept' }, given: { file: 'given' } })
  const [kept, given] = await Promise.all(
    ['kept', 'given'].map((name) =>
      makeLayer(join(folder, name), [...OURS, `--directory=${join(folder, name)}`, 'file']),
    ),
  )
  const layout = join(folder, 'layout')
  const config = { Entrypoint: ['/program'] }
  const image = { name: 'localhost/x:1', layers: [kept!, given!], config }
  await writeLayout(layout, [image], new Set([given!.digest]))

  const blob = async (digest: string) => {
    const content = await readFile(join(layout, 'blobs', digest.replace(':', '/')))
    t.equal(`sha256:${createHash('sha256').update(content).digest('hex')}`, digest)
    return content
  }
  const index = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8'))
  t.match(index.manifests, [{ annotations: { 'io.containerd.image.name': 'localhost/x:1' } }])
  const manifest = JSON.parse(`${await blob(index.manifests[0].digest)}`)
  const settings = JSON.parse(`${await blob(manifest.config.digest)}`)
  t.match(settings, { config, rootfs: { diff_ids: [kept!.digest, given!.digest] } })
  await blob(manifest.layers[0].digest)
  await t.rejects(access(join(layout, 'blobs', given!.digest.replace(':', '/'))))
})
