import t from 'tap'
import { RexecError } from '../../../common/errors.ts'
import type { ServerRequest } from '../../../proxy/pipeline.ts'
import type { Attack } from '../../attacks/attack.ts'
import { envAttacks } from '../../attacks/env.ts'
import { imageAttacks } from '../../attacks/images.ts'
import { nameAttacks } from '../../attacks/names.ts'
import { IMAGES } from '../../attacks/random.ts'
import { requirementAttacks } from '../../attacks/requirements.ts'
import { sizeAttacks } from '../../attacks/sizes.ts'
import { securityModel } from '../../support/security-model.ts'

const { model, grant } = securityModel({
  profiles: [
    { name: 'default', images: [IMAGES] },
    { name: 'staff', groups: ['staff'] },
  ],
})
const corpus = { requirementAttacks, envAttacks, imageAttacks, nameAttacks, sizeAttacks }

/** What the security model answers to a body; the attacks keep everything else as a user would have it. */
function answer({ request, json }: Attack): unknown {
  try {
    const body = json === undefined ? request : JSON.parse(json)
    return model.approve(grant, { python: '3.11', ...body } as ServerRequest)
  } catch (error) {
    return error
  }
}

/** The texts in a request that are no names of fields. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : []
}

for (const [kind, attacks] of Object.entries(corpus)) {
  t.test(kind, async (t) => {
    for (const attack of attacks) {
      const error = answer(attack)
      if (!(error instanceof RexecError)) {
        t.fail(`a user tries to ${attack.tries}: not refused`, { error })
        continue
      }
      t.equal(error.code, attack.code, `a user tries to ${attack.tries}: ${error.detail}`)
      const echoed = textsOf(attack.request).filter(
        (text) => text.trim().length > 4 && error.detail?.includes(text),
      )
      t.same(echoed, [], 'the error repeats nothing of what was sent')
    }
  })
}

t.test('the corpus is not empty', async (t) => {
  t.ok(Object.values(corpus).flat().length > 250)
})
