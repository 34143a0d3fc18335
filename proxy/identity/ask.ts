import got from 'got'
import { RexecError } from '../../common/errors.ts'
import { unavailable } from './authenticator.ts'

export interface Question {
  method: 'GET' | 'POST'
  headers?: Record<string, string>
  json?: unknown
  form?: Record<string, string>
}

export interface AskLimits {
  timeoutMilliseconds: number
  maxAnswerBytes: number
}

export interface Answer {
  status: number
  text: string
}

/**
 * Asks an identity service once. A redirect is an answer like any other: the token goes nowhere but to `url`.
 * @throws identity_unavailable when there is no answer in time, or a longer one than is read
 */
export async function ask(url: string, question: Question, limits: AskLimits): Promise<Answer> {
  const stream = got.stream(url, {
    ...question,
    headers: { accept: 'application/json', 'user-agent': 'rexec', ...question.headers },
    timeout: { request: limits.timeoutMilliseconds },
    retry: { limit: 0 },
    followRedirect: false,
    throwHttpErrors: false,
    decompress: false,
  })
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of stream) {
      size += chunk.length
      if (size > limits.maxAnswerBytes) throw unavailable('the answer is longer than maxAnswerBytes')
      chunks.push(chunk)
    }
  } catch (error) {
    if (error instanceof RexecError) throw error
    // Only the code: the error itself holds the request with its token.
    throw unavailable(`no answer: ${(error as { code?: string }).code}`)
  }
  return { status: stream.response!.statusCode, text: Buffer.concat(chunks).toString() }
}
