import { glob } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { TIERS, tierOf } from './tiers.ts'

t.test('a test file belongs to the tier of what it starts', async (t) => {
  t.equal(await tierOf('test/cluster/api-server.test.ts'), 'api', 'imported directly')
  t.equal(await tierOf('test/cluster/node/main.ts'), 'node')
  t.equal(await tierOf('test/broker/client.test.ts'), 'unit')
  t.equal(await tierOf('test/cluster/tools.test.ts'), 'unit', 'what the tier is made of, but not started')
})

t.test('each tier has tests', async (t) => {
  const found = new Set<string>()
  for await (const file of glob('test/**/*.test.ts', { cwd: join(import.meta.dirname, '..') })) {
    found.add(await tierOf(file))
  }
  t.same([...found].sort(), [...TIERS].sort())
})
