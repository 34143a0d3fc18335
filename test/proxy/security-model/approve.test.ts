import t from 'tap'
import { alice, securityModel } from '../../support/security-model.ts'

const { model, grant } = securityModel()
const python = '3.12'

t.test('a request with nothing but a Python gets the defaults', async (t) => {
  t.match(model.approve(grant, { python }), {
    user: 'alice',
    name: 'default',
    profile: 'default',
    python: '3.12',
    interpreter: 'python:3.12-slim',
    requirements: ['dill==0.4.0'],
    env: {},
    resources: { cpu: 1, memory: 2 ** 30, gpu: 0 },
    replicas: 1,
    lifetimeSeconds: 28_800,
    idleSeconds: 3600,
    concurrency: 4,
    environmentDigest: /^[0-9a-f]{64}$/,
    digest: /^[0-9a-f]{64}$/,
  })
})

t.test('what was asked for within the bounds is what is approved', async (t) => {
  const asked = {
    name: 'my-server-2',
    env: { B: '2', A: 'x\ny', _C: 'é' },
    resources: { cpu: 0.1, memory: 8 * 2 ** 30 },
    lifetimeSeconds: 60,
    idleSeconds: 86_400,
    concurrency: 16,
  }
  const server = model.approve(grant, { python, ...asked })
  t.match(server, { ...asked, resources: { ...asked.resources, gpu: 0 } })
  t.same(Object.keys(server.env), ['A', 'B', '_C'])
})

t.test('nothing but known fields comes through', async (t) => {
  const request = {
    python,
    user: 'bob',
    interpreter: '/bin/sh',
    digest: 'x',
    pod: { volumes: [{ claim: 'bobs', mountPath: '/mnt' }] },
    privileged: true,
  }
  const server = model.approve(grant, request)
  t.match(server, { user: 'alice', interpreter: 'python:3.12-slim', pod: { volumes: [] } })
  t.same(Object.keys(server).sort(), Object.keys(model.approve(grant, { python })).sort())
})

t.test('an approved server cannot be changed', async (t) => {
  const server = model.approve(grant, { python, env: { A: '1' } })
  for (const part of [server, server.requirements, server.env, server.resources]) t.ok(Object.isFrozen(part))
})

t.test(
  'the environment digest depends on Python and requirements, not on how they are written',
  async (t) => {
    const digest = (requirements: string[], version = python) =>
      model.approve(grant, { python: version, requirements }).environmentDigest
    const one = digest(['numpy>=2,<3', 'Flask[async]'])
    t.equal(digest(['flask[ASYNC]', ' NumPy( <3 , >= 2 )', 'numpy<3,>=2']), one)
    const others = [
      digest(['numpy>=2,<3']),
      digest(['numpy>=2,<4', 'Flask[async]']),
      digest(['numpy>=2,<3', 'Flask']),
      digest(['numpy>=2,<3', 'Flask[async]'], '3.11'),
      digest(['numpy>=2,<3', 'Flask[async]', 'dill==0.3.9']),
    ]
    t.equal(new Set([one, ...others]).size, 6)
  },
)

t.test('the digest depends on everything', async (t) => {
  const base = { python, name: 'a', env: { A: '1', B: '2' }, requirements: ['numpy'] }
  const digests = [
    base,
    { ...base, name: 'b' },
    { ...base, python: '3.11' },
    { ...base, env: { A: '1', B: '3' } },
    { ...base, env: { A: '1' } },
    { ...base, requirements: [] },
    { ...base, resources: { cpu: 2 } },
    { ...base, lifetimeSeconds: 100 },
    { ...base, idleSeconds: 100 },
    { ...base, concurrency: 2 },
  ].map((request) => model.approve(grant, request).digest)
  digests.push(model.approve({ ...grant, user: { ...alice, name: 'bob' } }, base).digest)
  t.equal(new Set(digests).size, digests.length)
  t.equal(
    model.approve(grant, { ...base, env: { B: '2', A: '1' } }).digest,
    digests[0],
    'order means nothing',
  )
})
