import t from 'tap'
import { createRandom } from '../../support/random.ts'
import { securityModel } from '../../support/security-model.ts'

const { model, grant } = securityModel()
const bounds = grant.profiles[0]!

t.test('what is approved lies within the bounds, whatever is asked for', async (t) => {
  const random = createRandom(7)
  const odd = [0, -0, -1, 0.1, 0.0005, 1e21, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, Number.MIN_VALUE]
  const number = (max: number) =>
    random.chance(0.2) ? random.pick(odd) : Math.round(random.next() * 1.2 * max * 1000) / 1000
  let approved = 0
  for (let round = 0; round < 3000; round++) {
    const request = {
      python: '3.12',
      resources: {
        cpu: number(4),
        memory: random.chance(0.5) ? Math.round(number(2 ** 33)) : number(2 ** 33),
      },
      concurrency: Math.round(number(16)),
      idleSeconds: Math.round(number(86_400)),
    }
    try {
      const { resources, concurrency, idleSeconds } = model.approve(grant, request)
      approved++
      const all = { ...resources, concurrency, idleSeconds }
      for (const [field, value] of Object.entries(all) as [keyof typeof all, number][]) {
        if (!(value >= bounds[field].min && value <= bounds[field].max)) t.fail(`${field} ${value}`)
        if (field !== 'cpu' && !Number.isSafeInteger(value)) t.fail(`${field} ${value}`)
      }
    } catch (error) {
      if (!['body_invalid', 'resources_exceed_profile'].includes((error as { code: string }).code))
        throw error
    }
  }
  t.ok(approved > 300 && approved < 2700, `${approved} of 3000 approved`)
})

t.test('a refusal names the field and its bounds', async (t) => {
  t.throws(() => model.approve(grant, { python: '3.12', resources: { cpu: 5 } }), {
    code: 'resources_exceed_profile',
    detail: 'resources.cpu must be between 0.1 and 4.',
  })
  t.throws(() => model.approve(grant, { python: '3.12', concurrency: 99 }), {
    code: 'resources_exceed_profile',
    detail: 'concurrency must be between 1 and 16.',
  })
  t.throws(() => model.approve(grant, { python: '3.12', resources: { memory: 2 ** 28 + 0.5 } }), {
    code: 'body_invalid',
    detail: 'resources.memory must be a whole number.',
  })
})
