import { setTimeout } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { RexecError } from '../../common/errors.ts'

/** Gives a signal that aborts when the client has gone or the service closes. @throws too_many_requests */
export type OpenStream = (user: string, reply: FastifyReply) => AbortSignal

/** Answers without an end of their own are counted per user and ended when the service closes. */
export function createStreams(app: FastifyInstance, perUser: number): OpenStream {
  const closing = new AbortController()
  const open = new Map<string, number>()
  app.addHook('preClose', async () => closing.abort())

  return (user, reply) => {
    const running = open.get(user) ?? 0
    if (running >= perUser) {
      throw new RexecError('too_many_requests', `You follow ${running} logs and events already.`)
    }
    open.set(user, running + 1)
    const gone = new AbortController()
    reply.raw.once('close', () => {
      gone.abort()
      const left = open.get(user)! - 1
      if (left > 0) open.set(user, left)
      else open.delete(user)
    })
    return AbortSignal.any([closing.signal, gone.signal])
  }
}

/** The source's items, ended without an error by the signal. */
export async function* untilAborted<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  try {
    for await (const item of source) {
      yield item
      if (signal.aborted) return
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** The source's items, and undefined whenever `milliseconds` have passed without one. */
export async function* withPauses<T>(
  source: AsyncGenerator<T>,
  milliseconds: number,
): AsyncGenerator<T | undefined> {
  let next = source.next()
  while (true) {
    const timer = new AbortController()
    const step = await Promise.race([next, setTimeout(milliseconds, undefined, { signal: timer.signal })])
    timer.abort()
    if (step?.done) return
    if (step) next = source.next()
    yield step?.value
  }
}
