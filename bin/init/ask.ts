import { readFile } from 'node:fs/promises'
import type { Interface } from 'node:readline/promises'
import { Type } from 'typebox'
import { loadSettings, SettingsError } from '../../common/settings.ts'
import { Problem } from '../problem.ts'
import { type Answers, type Known, type Name, QUESTIONS, type Question } from './questions.ts'
import { Refusal } from './readers.ts'

const Anything = Type.Object({}, { additionalProperties: true })

/** Answers of a file, by question; as they would be typed. @throws Problem naming everything that is no question */
export async function readAnswers(file: string): Promise<Map<Name, string>> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Problem(`${file} cannot be read (${error.code}).`)
  })
  let given: object
  try {
    given = loadSettings(Anything, text)
  } catch (error) {
    if (error instanceof SettingsError) throw new Problem(`${file}: ${error.problems.join('; ')}.`)
    throw error
  }
  const flat = new Map(flatten(given))
  const unknown = [...flat.keys()].filter((name) => !QUESTIONS.some((question) => question.name === name))
  if (unknown.length > 0) {
    const names = QUESTIONS.map(({ name }) => name).join(', ')
    throw new Problem(`${file}: there is no question ${unknown.join(', ')}. The questions are ${names}.`)
  }
  return flat as Map<Name, string>
}

function flatten(value: object, prefix = ''): [string, string][] {
  return Object.entries(value).flatMap(([key, inner]): [string, string][] => {
    const name = prefix + key
    if (Array.isArray(inner)) return [[name, inner.join(',')]]
    if (typeof inner === 'object' && inner !== null) return flatten(inner, `${name}.`)
    return [[name, inner === null ? '-' : String(inner)]]
  })
}

/** Where answers come from that no file has: a person, or the defaults alone. */
export type Source = (question: Question, known: Known, fallback: string | undefined) => Promise<string>

/**
 * Goes through the questions in their order.
 * @throws Problem for wrong answers of the file, all at once
 */
export async function answerAll(given: Map<Name, string>, source: Source): Promise<Answers> {
  const known: Partial<Answers> = {}
  const problems: string[] = []
  for (const question of QUESTIONS) {
    const { name, isAsked, fallback, read } = question
    if (isAsked && !isAsked(known)) continue
    try {
      const text = given.get(name) ?? (await source(question, known, fallback?.(known)))
      Object.assign(known, { [name]: read(text, known) })
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      problems.push(`${name}: ${error.message}`)
    }
  }
  if (problems.length === 0) return known as Answers
  throw new Problem(
    `Not all answers will do, and nothing was written:\n${problems.map((p) => `  - ${p}`).join('\n')}`,
  )
}

/** Nobody is asked. */
export const defaults: Source = async (_question, _known, fallback) => {
  if (fallback === undefined) throw new Refusal('This needs an answer: give it in the file of --answers.')
  return fallback
}

/** A person, or whoever writes lines into a pipe. What will not do is asked again, until the input ends. */
export function person(lines: Interface, output: NodeJS.WritableStream): Source {
  // Not question(): of a pipe, it would lose the lines that come before they are asked for.
  const answers = lines[Symbol.asyncIterator]()
  return async ({ text, read }, known, fallback) => {
    for (;;) {
      output.write(`${text}${fallback === undefined ? '' : ` [${fallback}]`}: `)
      const { value, done } = await answers.next()
      if (done) throw new Problem('The questions were not answered to their end. Nothing was written.')
      const answer = value.trim() || fallback
      try {
        if (answer === undefined) throw new Refusal('This needs an answer.')
        read(answer, known)
        return answer
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        output.write(`  ${error.message}\n`)
      }
    }
  }
}
