import { Readable } from 'node:stream'
import { Type } from 'typebox'
import type { App } from '../../../app.ts'
import type { ServerStatus } from '../../../pipeline.ts'
import { createStreams, untilAborted, withPauses } from '../../../plugins/streams.ts'
import { answers, ServerParams } from '../../../schemas.ts'
import type { Service } from '../../../service.ts'

const tags = ['servers']
const LogQuery = Type.Object(
  {
    follow: Type.Optional(Type.Enum(['', 'true', 'false'], { description: 'Go on until the server ends.' })),
  },
  { additionalProperties: false },
)
/** Text for the reader, a stream for the code. */
const Stream = Type.Unsafe<Readable>(Type.String())
/** So that nginx hands on what it gets when it gets it. */
const UNBUFFERED = { 'x-accel-buffering': 'no' }

/** Logs and events: answers that go on until the server has ended, the client has gone or the service closes. */
export function addServerStreams(app: App, { servers, cluster, settings }: Service): void {
  const { streamsPerUser, heartbeatSeconds } = settings.limits
  const openStream = createStreams(app, streamsPerUser)

  app.get(
    '/servers/:name/logs',
    {
      exposeHeadRoute: false,
      schema: {
        tags,
        summary: 'Logs of this server',
        params: ServerParams,
        querystring: LogQuery,
        response: answers({
          200: { description: 'Lines', content: { 'text/plain': { schema: Stream } } },
        }),
      },
    },
    async ({ grant: { user }, params, query }, reply) => {
      await servers.get(user, params.name)
      const signal = openStream(user.name, reply)
      const follow = query.follow === '' || query.follow === 'true'
      const lines = untilAborted(cluster.logs(user, params.name, { follow, signal }), signal)
      return reply
        .headers(UNBUFFERED)
        .type('text/plain; charset=utf-8')
        .send(Readable.from(asText(lines)))
    },
  )

  app.get(
    '/servers/:name/events',
    {
      exposeHeadRoute: false,
      schema: {
        tags,
        summary: 'States of this server, as they change',
        description:
          'Server-sent events named "status", each with the server as JSON. Ends when the server has ended.',
        params: ServerParams,
        response: answers({
          200: { description: 'Events', content: { 'text/event-stream': { schema: Stream } } },
        }),
      },
    },
    async ({ grant: { user }, params }, reply) => {
      await servers.get(user, params.name)
      const signal = openStream(user.name, reply)
      const statuses = untilAborted(cluster.watch(user, params.name, signal), signal)
      const events = asEvents(withPauses(statuses, heartbeatSeconds * 1000))
      return reply.headers(UNBUFFERED).type('text/event-stream').send(Readable.from(events))
    },
  )
}

async function* asText(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const line of lines) yield `${line}\n`
}

/** A comment is the heartbeat (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
async function* asEvents(statuses: AsyncIterable<ServerStatus | undefined>): AsyncGenerator<string> {
  for await (const status of statuses) {
    yield status ? `event: status\ndata: ${JSON.stringify(status)}\n\n` : ': still here\n\n'
  }
}
