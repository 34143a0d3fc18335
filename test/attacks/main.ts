import { OwnApiServer } from '../cluster/own-api-server.ts'
import { kubernetesTools, toolsMissing } from '../cluster/tools.ts'
import { corpus, users } from './corpus.ts'
import { isAsExpected, type Outcome, runAttacks } from './run.ts'
import { openScene } from './scene.ts'
import { row, summary, TITLES } from './table.ts'

/** `npm run attacks`: tries everything against a real service and API server, and prints what came of it. */
const say = (line: string) => process.stdout.write(`${line}\n`)
const missing = await toolsMissing()
if (missing) {
  say(`There is no API server to attack: ${missing}`)
  process.exit(1)
}
const server = await OwnApiServer.start(await kubernetesTools(say))
const outcomes: Outcome[] = []
try {
  const scene = await openScene(server, users)
  say(TITLES)
  await runAttacks(scene, corpus, (outcome) => {
    outcomes.push(outcome)
    say(row(outcome))
  })
  await scene.close()
} finally {
  await server.stop()
}
say(`\n${summary(outcomes)}`)
if (!outcomes.every(isAsExpected)) process.exitCode = 1
