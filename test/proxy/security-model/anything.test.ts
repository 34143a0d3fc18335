import t from 'tap'
import { RexecError } from '../../../common/errors.ts'
import type { ServerRequest } from '../../../proxy/pipeline.ts'
import type { ApprovedServer } from '../../../proxy/security-model/approve.ts'
import { parseRequirement } from '../../../proxy/security-model/requirements/requirement.ts'
import { envAttacks } from '../../attacks/env.ts'
import { nameAttacks } from '../../attacks/names.ts'
import { requirementAttacks } from '../../attacks/requirements.ts'
import { sizeAttacks } from '../../attacks/sizes.ts'
import { createRandom, type Random } from '../../support/random.ts'
import { securityModel } from '../../support/security-model.ts'

const ROUNDS = 5000
const IMAGES = 'registry.example.org/science/*:*'
const { model, grant } = securityModel({ profiles: [{ name: 'default', images: [IMAGES] }] })
const hostile = [...envAttacks, ...nameAttacks, ...requirementAttacks, ...sizeAttacks].flatMap(
  ({ request }) => (request === undefined || JSON.stringify(request).length > 2000 ? [] : [request]),
)
const GOOD: Required<Omit<ServerRequest, 'profile' | 'replace'>> = {
  name: 'a-1',
  python: '3.12',
  image: 'registry.example.org/science/a:1',
  requirements: ['numpy>=2', 'Flask[async]; python_version < "4"'],
  env: { A: 'x', B_2: '' },
  resources: { cpu: 0.5, memory: 2 ** 30 },
  replicas: 1,
  lifetimeSeconds: 600,
  idleSeconds: 60,
  concurrency: 2,
}

/** Any JSON value, or undefined. */
function anything(random: Random, depth = 3): unknown {
  const leaves = [
    undefined,
    null,
    true,
    0,
    -1,
    1.5,
    1e308,
    '',
    'a',
    '3.12',
    'numpy',
    '\0',
    '\ud800',
    'x'.repeat(600),
    '__proto__',
  ]
  if (depth === 0 || random.chance(0.5)) return random.pick(leaves)
  const items = Array.from({ length: random.below(4) }, () => anything(random, depth - 1))
  if (random.chance(0.5)) return items
  return Object.fromEntries(
    items.map((item) => [random.pick(['A', 'cpu', 'memory', 'length', '__proto__', 'toString', '']), item]),
  )
}

/** A good request with a few of its fields missing, hostile or anything at all. */
function someRequest(random: Random): object {
  const request: Record<string, unknown> = { ...GOOD }
  for (let changes = random.below(4); changes > 0; changes--) {
    const field = random.pick([...Object.keys(GOOD), 'profile', 'replace', 'user', '__proto__'])
    const change = random.below(3)
    if (change === 0) delete request[field]
    else if (change === 1) Object.assign(request, random.pick(hostile))
    else request[field] = anything(random)
  }
  return request
}

/** What holds for every approved server. */
function isSafe(server: ApprovedServer): boolean {
  const { cpu, memory, gpu } = server.resources
  return (
    server.user === 'alice' &&
    /^[a-z0-9]([-a-z0-9]{0,28}[a-z0-9])?$/.test(server.name) &&
    (server.interpreter === `python:${server.python}-slim` ||
      /^registry\.example\.org\/science\/[a-z0-9._-]+(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$/.test(
        server.interpreter,
      )) &&
    server.requirements.every((text) => /^[ -~]+$/.test(text) && parseRequirement(text).text === text) &&
    Object.entries(server.env).every(
      ([name, value]) =>
        /^[A-Z_][A-Z0-9_]*$/.test(name) && !/^(LD_|PYTHON|REXEC_|PATH$)/.test(name) && !value.includes('\0'),
    ) &&
    cpu >= 0.1 &&
    cpu <= 4 &&
    memory >= 2 ** 27 &&
    memory <= 2 ** 33 &&
    gpu === 0 &&
    [server.replicas, server.lifetimeSeconds, server.idleSeconds, server.concurrency].every(
      (number) => Number.isInteger(number) && number >= 1 && number <= 86_400,
    )
  )
}

t.test('whatever is sent is refused with a code and a field, or is safe', async (t) => {
  const random = createRandom(21)
  let approved = 0
  for (let round = 0; round < ROUNDS; round++) {
    const request = someRequest(random)
    try {
      const server = model.approve(grant, request as ServerRequest)
      approved++
      if (!isSafe(server)) t.fail('an approved server is not safe', { request, server })
    } catch (error) {
      if (!(error instanceof RexecError) || error.status >= 500 || !error.detail) {
        t.fail('a refusal without a reason', { request, error })
      }
    }
  }
  t.ok(approved > ROUNDS / 10 && approved < (ROUNDS * 9) / 10, `${approved} of ${ROUNDS} approved`)
})
