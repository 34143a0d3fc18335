import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, rmdir, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { mountsBelow, watchTraces } from './traces.ts'

const skip = process.getuid?.() === 0 ? false : 'only root can leave anything in the kernel'
const run = promisify(execFile)
/** Another run of this test at the same time has other names. */
const NAME = `rexec-traces-${process.pid}`

t.test('what was left in the kernel is found; what was there before is not counted', { skip }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'rexec-traces-'))
  const [before, since] = [join(folder, 'before'), join(folder, 'a mount')]
  let cgroup = ''
  const ours = (traces: string[]) => traces.filter((trace) => trace.includes(NAME) || trace.includes(folder))
  try {
    await mount(before)
    const findTraces = await watchTraces(folder, 0)
    await mount(since)
    await run('ip', ['netns', 'add', NAME])
    cgroup = await makeCgroup()
    t.same(ours(await findTraces()), [`network namespace ${NAME}`, `mount ${since}`, `cgroup ${cgroup}`])

    await run('umount', [since])
    await run('ip', ['netns', 'delete', NAME])
    await rmdir(cgroup)
    t.same(ours(await findTraces()), [])
    t.same(await mountsBelow(folder), [before])
  } finally {
    for (const path of await mountsBelow(folder)) await run('umount', [path])
    await run('ip', ['netns', 'delete', NAME]).catch(() => undefined)
    if (cgroup) await rmdir(cgroup).catch(() => undefined)
    await rm(folder, { recursive: true })
  }
})

async function mount(path: string): Promise<void> {
  await mkdir(path)
  await run('mount', ['-t', 'tmpfs', 'none', path])
}

/** cgroup v1 has a folder for each controller. */
async function makeCgroup(): Promise<string> {
  const v1 = '/sys/fs/cgroup/pids'
  const base = await stat(v1).then(
    () => v1,
    () => '/sys/fs/cgroup',
  )
  await mkdir(join(base, NAME))
  return join(base, NAME)
}
