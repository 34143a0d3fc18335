import { existsSync } from 'node:fs'
import t from 'tap'
import { Machine } from './machine.ts'
import { nodeClusterMissing } from './missing.ts'
import { claimSlot } from './slot.ts'

const skip =
  (await nodeClusterMissing()) ?? (process.env.REXEC_TEST_KUBECONFIG ? 'a cluster is given' : false)

t.test('namespaces of their own, and programs in them', { skip }, async (t) => {
  const slot = await claimSlot()
  t.teardown(() => slot.release())
  const other = await claimSlot()
  t.not(other.name, slot.name, 'a slot has one owner')
  other.release()

  const machine = await Machine.start(slot)
  t.teardown(() => machine.end())

  const words = ['a b', "it's", '$HOME `id` \\n', 'two\nlines', '*', '']
  await machine.run('words', ['printf', '<%s>', ...words])
  t.equal(await machine.lastLines('words'), words.map((word) => `<${word}>`).join(''))

  await machine.run('look', [
    'bash',
    '-c',
    'echo $$; ls /sys/class/net; cut -d: -f3 /proc/self/cgroup | sort -u',
  ])
  const [pid, ...rest] = (await machine.lastLines('look')).split('\n')
  t.ok(Number(pid) < 1000, 'its processes are counted from 1')
  t.same(rest, ['lo', '/'], 'it has no network but its own, and its cgroup is the root')

  await t.rejects(machine.run('fails', ['sh', '-c', 'echo because >&2; exit 3']), /exit code 3:\nbecause/)

  const sleeping = machine.start('sleeps', ['sleep', 'infinity'])
  await t.rejects(
    Promise.all([machine.ready('sleeps', new Promise(() => undefined)), machine.stop('sleeps')]),
    /sleeps ended with exit code 143/,
    'waiting for it ends with it',
  )
  t.equal(await sleeping, 143)
  const stubborn = machine.start('stubborn', ['sh', '-c', 'trap "" TERM; sleep infinity'])
  await machine.stop('stubborn', 'KILL')
  t.equal(await stubborn, 137)

  const killed = machine.start('killed', ['sleep', 'infinity'])
  await machine.end()
  t.equal(await killed, 137, 'its end is the end of what runs in it')
  t.notOk(existsSync(slot.folder))
})
