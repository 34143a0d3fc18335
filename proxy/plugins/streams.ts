import { setTimeout } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { RexecError } from '../../common/errors.ts'

/** Gives a signal that aborts when the client has gone or the service closes. @throws too_many_requests */
export type OpenStream = (user: string, reply: FastifyReply) => AbortSignal

/** Answers without an end of their own are counted per user and ended when the service closes. */
export function createStreams(app: FastifyInstance, perUser: number): OpenStream {
  const open = new Map<string, Set<AbortController>>()
  let closing = false
  app.addHook('preClose', async () => {
    closing = true
    for (const streams of open.values()) for (const stream of streams) stream.abort()
  })

  return (user, reply) => {
    if (closing || reply.raw.destroyed) return AbortSignal.abort()
    const streams = open.get(user) ?? new Set()
    if (streams.size >= perUser) {
      throw new RexecError('too_many_requests', `You follow ${perUser} logs and events already.`)
    }
    const stream = new AbortController()
    open.set(user, streams.add(stream))
    reply.raw.once('close', () => {
      stream.abort()
      streams.delete(stream)
      if (streams.size === 0) open.delete(user)
    })
    return stream.signal
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
    const pause = setTimeout(milliseconds, undefined, { signal: timer.signal })
    const step = await Promise.race([next, pause]).finally(() => timer.abort())
    if (step?.done) return
    if (step) next = source.next()
    yield step?.value
  }
}
