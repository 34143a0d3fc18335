import { type Attack, attacks } from './attack.ts'

const GIB = 2 ** 30
const resource = (resources: unknown) => ({ resources })
const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i))

/** Asks for more than there is, and numbers that are none. */
export const sizeAttacks: Attack[] = [
  ...attacks('resources_exceed_profile', resource, {
    'take more cores': { cpu: 4.001 },
    'take all cores': { cpu: 1e6 },
    'take no cores': { cpu: 0 },
    'take minus zero cores': { cpu: -0 },
    'take less than a share of a core': { cpu: 0.099 },
    'take more memory': { memory: 8 * GIB + 1 },
    'take all memory': { memory: Number.MAX_SAFE_INTEGER },
    'take no memory': { memory: 0 },
    'take a GPU': { gpu: 1 },
  }),
  ...attacks(
    'resources_exceed_profile',
    resource,
    {
      'take negative cores': { cpu: -1 },
      'take negative memory': { memory: -GIB },
      'take a negative GPU': { gpu: -1 },
    },
    'body_invalid',
  ),
  ...attacks('body_invalid', resource, {
    'take infinite cores': { cpu: Number.POSITIVE_INFINITY },
    'take no number of cores': { cpu: Number.NaN },
    'take cores as a text': { cpu: '2' },
    'take cores as a quantity': { cpu: '500m' },
    'take cores as a list': { cpu: [2] },
    'take cores as null': { cpu: null },
    'take cores as true': { cpu: true },
    'take a sliver of a core': { cpu: 1.0001 },
    'take half a byte': { memory: GIB + 0.5 },
    'take memory as a quantity': { memory: '2Gi' },
    'take memory beyond exact numbers': { memory: 2 ** 60 },
    'take infinite memory': { memory: Number.POSITIVE_INFINITY },
    'take half a GPU': { gpu: 0.5 },
    'take a list of resources': [1, 2],
    'take resources as a text': 'all',
    'take resources as null': null,
    'take resources as a number': 4,
  }),
  ...attacks('resources_exceed_profile', (part: object) => part, {
    'run more replicas': { replicas: 2 },
    'run no replica': { replicas: 0 },
    'live longer': { lifetimeSeconds: 86_401 },
    'live for ever': { lifetimeSeconds: 0 },
    'idle longer': { idleSeconds: 86_401 },
    'idle for ever': { idleSeconds: 0 },
    'run more calls at once': { concurrency: 17 },
    'run no call at all': { concurrency: 0 },
  }),
  ...attacks(
    'resources_exceed_profile',
    (part: object) => part,
    {
      'run negative replicas': { replicas: -1 },
      'have died already': { lifetimeSeconds: -1 },
    },
    'body_invalid',
  ),
  ...attacks('body_invalid', (part: object) => part, {
    'run half a replica': { replicas: 0.5 },
    'run replicas as a text': { replicas: '1' },
    'run replicas as null': { replicas: null },
    'live for a fraction': { lifetimeSeconds: 60.5 },
    'live as a text': { lifetimeSeconds: '8h' },
    'idle as an object': { idleSeconds: { valueOf: 60 } },
    'run calls as a list': { concurrency: [4] },
    'give requirements as a text': { requirements: 'numpy' },
    'give requirements as an object': { requirements: { 0: 'numpy', length: 1 } },
    'give requirements as a number': { requirements: 1 },
  }),
  ...attacks('limit_exceeded', (part: object) => part, {
    'send too many requirements': { requirements: many(101, (i) => `package-${i}`) },
    'send too long a requirement': { requirements: [`a${' '.repeat(512)}`] },
    'exhaust the parser by parentheses': { requirements: [`a; ${'('.repeat(100_000)}`] },
    'send a huge version': { requirements: [`a==${'9'.repeat(5000)}`] },
    'send too many variables': { env: Object.fromEntries(many(65, (i) => [`NAME_${i}`, ''])) },
    'send too long a name': { env: { ['A'.repeat(129)]: '' } },
    'send too long a value': { env: { NAME: 'x'.repeat(8193) } },
    'send too long a value in few characters': { env: { NAME: '\u{1F600}'.repeat(2049) } },
    'send too much in all': { env: Object.fromEntries(many(9, (i) => [`NAME_${i}`, 'x'.repeat(8000)])) },
  }),
  ...attacks(
    'limit_exceeded',
    (part: object) => part,
    {
      'send far too many requirements': { requirements: many(100_000, () => 'a') },
      'send far too long a requirement': { requirements: ['a'.repeat(1_000_000)] },
    },
    'body_too_large',
  ),
]
