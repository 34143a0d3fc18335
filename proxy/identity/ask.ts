import { type Answer, ask, type Question } from '../../common/ask.ts'
import { unavailable } from './authenticator.ts'

export interface ServiceLimits {
  timeoutMilliseconds: number
  maxAnswerBytes: number
}

/** Asks an identity service once. @throws identity_unavailable when there is no answer within the limits */
export async function askService(
  url: string,
  question: Question,
  { timeoutMilliseconds, maxAnswerBytes }: ServiceLimits,
): Promise<Answer> {
  try {
    return await ask(url, question, { milliseconds: timeoutMilliseconds, bytes: maxAnswerBytes })
  } catch (error) {
    throw unavailable((error as Error).message)
  }
}

/** The JSON object of an answer. @throws identity_unavailable when it is none, as from something else than was meant */
export function objectOf({ text }: Answer): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw unavailable('the answer is not JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw unavailable('the answer is no object')
  }
  return value as Record<string, unknown>
}
