// node --input-type=module --eval: the arguments begin at 1.
// Each address must answer 200 within a minute: what has just been installed may still start.
import { setTimeout } from 'node:timers/promises'

const deadline = AbortSignal.timeout(60_000)
let failed = false
for (const address of process.argv.slice(1)) {
  let outcome
  do {
    outcome = await fetch(address, { signal: deadline })
      .then(async (answer) => (answer.ok ? 'ok' : `status ${answer.status}: ${await answer.text()}`))
      .catch((error) => error.cause?.message ?? error.message)
    if (outcome !== 'ok') await setTimeout(1000)
  } while (outcome !== 'ok' && !deadline.aborted)
  console.log(`${address}: ${outcome}`)
  failed ||= outcome !== 'ok'
}
process.exitCode = failed ? 1 : 0
