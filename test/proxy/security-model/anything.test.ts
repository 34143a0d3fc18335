import t from 'tap'
import { RexecError } from '../../../common/errors.ts'
import type { ServerRequest } from '../../../proxy/pipeline.ts'
import type { ApprovedServer } from '../../../proxy/security-model/approve.ts'
import { parseRequirement } from '../../../proxy/security-model/requirements/requirement.ts'
import { IMAGES, someRequest } from '../../attacks/random.ts'
import { createRandom } from '../../support/random.ts'
import { securityModel } from '../../support/security-model.ts'

const ROUNDS = 5000
const { model, grant } = securityModel({ profiles: [{ name: 'default', images: [IMAGES] }] })

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
