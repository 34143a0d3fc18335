import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline/promises'
import { parseArgs } from 'node:util'
import { answerAll, defaults, person, readAnswers } from './init/ask.ts'
import { CONFIG_FILE, jupyterhubConfig } from './init/jupyterhub-config.ts'
import { type Plan, planOf } from './init/plan.ts'
import type { Answers, Name } from './init/questions.ts'
import { stepsOf } from './init/steps.ts'
import { valuesOf } from './init/values.ts'
import { assertFree, earlierToken, type OutFile, writeFiles } from './init/write.ts'
import { z2jhSecret, z2jhValues } from './init/z2jh.ts'

const FILES = ['values.yaml', 'hub-values.yaml', 'hub-secret.yaml', CONFIG_FILE, 'hub-token', 'steps.sh']

/**
 * `rexec init`: asks an administrator a few questions and writes what the chart and the hub need, with the commands to
 * run. It talks to no cluster and no hub.
 */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      out: { type: 'string', default: 'rexec-install' },
      answers: { type: 'string' },
      yes: { type: 'boolean', default: false },
      force: { type: 'boolean', default: false },
    },
  })
  const { out, force } = values
  await assertFree(out, FILES, force)
  const given = values.answers === undefined ? new Map<Name, string>() : await readAnswers(values.answers)
  const answers = values.yes ? await answerAll(given, defaults) : await askPerson(given)
  const plan = planOf(answers)
  const files = filesOf(plan, (await earlierToken(out)) ?? randomBytes(32).toString('hex'), out)
  await writeFiles(out, files)
  const list = files.map(({ name, isSecret }) => `  ${out}/${name}${isSecret ? '   (secret)' : ''}\n`)
  process.stdout.write(`\nWritten:\n${list.join('')}\nNext:\n\n${stepsOf(plan, out)}`)
}

async function askPerson(given: Map<Name, string>): Promise<Answers> {
  process.stdout.write(
    'An empty answer takes what stands in brackets. Nothing is written before the last one.\n\n',
  )
  const lines = createInterface({ input: process.stdin, output: process.stdout })
  // Ctrl-C ends the questions, and with them this command.
  lines.on('SIGINT', () => lines.close())
  try {
    return await answerAll(given, person(lines, process.stdout))
  } finally {
    lines.close()
  }
}

function filesOf(plan: Plan, token: string, folder: string): OutFile[] {
  const isZ2jh = plan['hub.kind'] === 'z2jh'
  return [
    { name: 'values.yaml', text: valuesOf(plan) },
    isZ2jh
      ? { name: 'hub-values.yaml', text: z2jhValues(plan) }
      : { name: CONFIG_FILE, text: jupyterhubConfig(plan) },
    ...(plan.makesToken ? [{ name: 'hub-token', text: token, isSecret: true }] : []),
    ...(plan.makesToken && isZ2jh
      ? [{ name: 'hub-secret.yaml', text: z2jhSecret(plan, token), isSecret: true }]
      : []),
    { name: 'steps.sh', text: stepsOf(plan, folder) },
  ]
}
