import type { ServerRequest } from '../../proxy/pipeline.ts'
import type { Random } from '../support/random.ts'
import { envAttacks } from './env.ts'
import { imageAttacks } from './images.ts'
import { nameAttacks } from './names.ts'
import { requirementAttacks } from './requirements.ts'
import { sizeAttacks } from './sizes.ts'

/** The one pattern that allows the image of GOOD. */
export const IMAGES = 'registry.example.org/science/*:*'

const GOOD: Required<Omit<ServerRequest, 'profile' | 'replace'>> = {
  name: 'a-1',
  python: '3.12',
  image: 'registry.example.org/science/a:1',
  requirements: ['numpy>=2', 'Flask[async]; python_version < "4"'],
  env: { A: '$(HOME) $$(HOME) $', B_2: '', C: '`id`; $(id) "\'\n' },
  resources: { cpu: 0.5, memory: 2 ** 30 },
  replicas: 1,
  lifetimeSeconds: 600,
  idleSeconds: 60,
  concurrency: 2,
}

const hostile = [
  ...envAttacks,
  ...imageAttacks,
  ...nameAttacks,
  ...requirementAttacks,
  ...sizeAttacks,
].flatMap(({ request }) => (request === undefined || JSON.stringify(request).length > 2000 ? [] : [request]))

/** Any JSON value, or undefined. */
function anything(random: Random, depth = 3): unknown {
  const leaves = [
    ...[undefined, null, true, 0, -1, 1.5, 1e308],
    ...['', 'a', '3.12', 'numpy', '\0', '\ud800', 'x'.repeat(600), '__proto__', '$(HOME)'],
  ]
  if (depth === 0 || random.chance(0.5)) return random.pick(leaves)
  const items = Array.from({ length: random.below(4) }, () => anything(random, depth - 1))
  if (random.chance(0.5)) return items
  return Object.fromEntries(
    items.map((item) => [random.pick(['A', 'cpu', 'memory', 'length', '__proto__', 'toString', '']), item]),
  )
}

/** A good request with a few of its fields missing, hostile or anything at all. */
export function someRequest(random: Random): object {
  const request: Record<string, unknown> = { ...GOOD }
  for (let changes = random.below(4); changes > 0; changes--) {
    const field = random.pick([...Object.keys(GOOD), 'profile', 'replace', 'user', 'pod', '__proto__'])
    const change = random.below(3)
    if (change === 0) delete request[field]
    else if (change === 1) Object.assign(request, random.pick(hostile))
    else request[field] = anything(random)
  }
  return request
}
