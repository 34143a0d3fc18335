import got from 'got'

export interface Question {
  method?: 'GET' | 'POST'
  headers?: Record<string, string>
  json?: unknown
  form?: Record<string, string>
}

export interface Answer {
  status: number
  text: string
}

export interface AskLimits {
  /** Until the whole answer is there. */
  milliseconds: number
  bytes: number
}

/**
 * Asks another service once. A redirect is an answer like any other: what the question shows goes nowhere but to `url`.
 * @throws Error with the reason when there is no answer in time, or a longer one; nothing of the question is in it
 */
export async function ask(
  url: string,
  question: Question,
  { milliseconds, bytes }: AskLimits,
): Promise<Answer> {
  const stream = got.stream(url, {
    ...question,
    headers: { accept: 'application/json', 'user-agent': 'rexec', ...question.headers },
    timeout: { request: milliseconds },
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
      if (size > bytes) break
      chunks.push(chunk)
    }
  } catch (error) {
    // Only the code: the error itself holds the request with what it shows.
    throw new Error(`no answer: ${(error as { code?: string }).code}`)
  }
  if (size > bytes) throw new Error(`the answer is longer than ${bytes} bytes`)
  return { status: stream.response!.statusCode, text: Buffer.concat(chunks).toString() }
}
