import t from 'tap'
import { describe, readDescription } from '../../../../proxy/cluster/kubernetes/description.ts'
import { approvedServer } from '../../../support/kubernetes.ts'

const server = approvedServer({ env: { A: 'secret' }, requirements: ['numpy>=2'] })

t.test('what is described can be read again, and holds neither environment nor image', async (t) => {
  const text = describe(server)
  const { profile, python, requirements, resources, replicas, concurrency, lifetimeSeconds } = server
  const { environmentDigest, digest } = server
  t.same(readDescription(text), {
    ...{ profile, python, requirements, resources, replicas, concurrency, lifetimeSeconds },
    ...{ environmentDigest, digest },
  })
  t.notMatch(text, /secret|python:3/)
})

t.test('a user writes something else there: it is no description', async (t) => {
  const good = JSON.parse(describe(server))
  const wrong = [
    ...[undefined, '', 'null', '[]', '{}', '{"', '['.repeat(50_000)],
    ...[1e308, 1e13, -1, 0.5, '60', null].map((lifetimeSeconds) =>
      JSON.stringify({ ...good, lifetimeSeconds }),
    ),
    JSON.stringify({ ...good, requirements: 'numpy' }),
    JSON.stringify({ ...good, digest: undefined }),
    JSON.stringify({ ...good, resources: { cpu: '1', memory: 1, gpu: 0 } }),
  ]
  for (const text of wrong) t.equal(readDescription(text), undefined, `${text}`.slice(0, 80))
})

t.test('fields that a user adds are left out', async (t) => {
  const text = describe(server).replace('{', '{"user":"alice","__proto__":{"a":1},')
  t.same(Object.keys(readDescription(text)!).sort(), Object.keys(JSON.parse(describe(server))).sort())
})
