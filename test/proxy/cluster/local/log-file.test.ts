import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { LogFile } from '../../../../proxy/cluster/local/log-file.ts'
import { collect, temporaryFolder } from '../../../support/local-cluster.ts'

const never = new AbortController().signal

t.test('what was written is read, and what comes is followed', async (t) => {
  const folder = await temporaryFolder(t)
  const log = new LogFile(join(folder, 'x.log'))
  log.write('one')
  log.write('two, with token=abcdefghijkl in it')
  t.same(await collect(log.read(false, never)), ['one', 'two, with token=[redacted] in it'])
  t.equal((await stat(join(folder, 'x.log'))).mode & 0o777, 0o600)

  const followed = collect(log.read(true, never))
  log.write('three')
  await new Promise(setImmediate)
  log.write('four')
  log.end()
  log.write('too late')
  t.same((await followed).slice(2), ['three', 'four'])

  const aborted = new AbortController()
  const open = new LogFile(join(folder, 'y.log'))
  const lines = collect(open.read(true, aborted.signal))
  open.write('one')
  await new Promise(setImmediate)
  aborted.abort()
  t.same(await lines, ['one'])
})

t.test('it never grows beyond twice its limit', async (t) => {
  const folder = await temporaryFolder(t)
  const log = new LogFile(join(folder, 'x.log'), { maxBytes: 1000 })
  for (let number = 0; number < 1000; number += 1) log.write(`äöü ${number}`)
  const sizes = await Promise.all((await readdir(folder)).map((file) => stat(join(folder, file))))
  t.equal(sizes.length, 2)
  for (const { size } of sizes) t.ok(size <= 1000, `${size} bytes`)
  const lines = await collect(log.read(false, never))
  t.equal(lines.at(-1), 'äöü 999', 'the newest are there')
})

t.test('a slow follower is told what it missed', async (t) => {
  const log = new LogFile(join(await temporaryFolder(t), 'x.log'), { maxLag: 10 })
  log.write('first')
  const reader = log.read(true, never)
  t.equal((await reader.next()).value, 'first')
  for (let number = 0; number < 100; number += 1) log.write(`${number}`)
  log.end()
  const rest = await collect(reader)
  t.match(rest, [/^… 90 lines left out/, '90'])
  t.equal(rest.length, 11)
})

t.test('a disk that cannot be written does not end the service', async (t) => {
  const log = new LogFile(join(await temporaryFolder(t), 'no/such/folder/x.log'))
  const lines = collect(log.read(true, never))
  log.write('one')
  log.end()
  t.same(await lines, ['one'])
})
