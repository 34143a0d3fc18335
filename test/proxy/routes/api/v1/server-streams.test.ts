import { once } from 'node:events'
import t from 'tap'
import { startApp, type TestApp } from '../../../../support/test-app.ts'

async function withServer(t: Parameters<typeof startApp>[0], settings = {}): Promise<TestApp> {
  const service = await startApp(t, { settings })
  await service.fetch('/api/v1/servers', { method: 'POST', json: { python: '3.12' } })
  return service
}

/** Reads an answer until it holds `text` as often as told. */
async function readUntil(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  text: string,
  times = 1,
): Promise<string> {
  let seen = ''
  while (seen.split(text).length <= times) {
    const { value, done } = await reader.read()
    if (done) throw new Error(`ended before ${text}: ${seen}`)
    seen += Buffer.from(value).toString()
  }
  return seen
}

t.test('logs are lines of text', async (t) => {
  const { fetch } = await withServer(t)
  for (const query of ['', '?follow=false']) {
    const answer = await fetch(`/api/v1/servers/default/logs${query}`)
    t.equal(answer.headers.get('content-type'), 'text/plain; charset=utf-8')
    t.equal(await answer.text(), 'one\ntwo\n')
  }
})

t.test('logs that are followed go on until the client leaves', async (t) => {
  const { fetch, cluster } = await withServer(t)
  for (const query of ['?follow', '?follow=true']) {
    const answer = await fetch(`/api/v1/servers/default/logs${query}`)
    const reader = answer.body!.getReader()
    await readUntil(reader, 'two\n')
    await reader.cancel()
    while (!cluster.calls.includes('logs ended')) await new Promise(setImmediate)
    cluster.calls.length = 0
  }
  t.pass('the cluster was told')
})

t.test('events follow the states and end with the last one', async (t) => {
  const { fetch, cluster } = await withServer(t)
  const answer = await fetch('/api/v1/servers/default/events')
  t.equal(answer.headers.get('content-type'), 'text/event-stream')
  t.equal(answer.headers.get('cache-control'), 'no-store')
  t.equal(answer.headers.get('x-accel-buffering'), 'no')
  const reader = answer.body!.getReader()
  const first = await readUntil(reader, '\n\n')
  t.match(first, /^event: status\ndata: \{.*"phase":"starting".*\}\n\n$/)
  cluster.set('alice', 'default', 'installing', 'installing 3 packages')
  t.match(await readUntil(reader, '\n\n'), 'installing 3 packages')
  cluster.set('alice', 'default', 'failed', 'no such package\nat all')
  const last = await readUntil(reader, '\n\n')
  t.match(last, /"phase":"failed"/)
  t.match(last, 'no such package\\nat all', 'a line break cannot end an event early')
  t.same(await reader.read(), { done: true, value: undefined })
})

t.test('a stream without news has heartbeats', async (t) => {
  const { fetch } = await withServer(t, { limits: { heartbeatSeconds: 1 } })
  const answer = await fetch('/api/v1/servers/default/events')
  const text = await readUntil(answer.body!.getReader(), ': still here\n\n', 2)
  t.match(text, /^event: status\n/)
})

t.test('a client that leaves ends the watching', async (t) => {
  const { fetch, cluster } = await withServer(t)
  const answer = await fetch('/api/v1/servers/default/events')
  const reader = answer.body!.getReader()
  await readUntil(reader, '\n\n')
  await reader.cancel()
  while (!cluster.calls.includes('watch ended')) await new Promise(setImmediate)
  t.pass('the cluster was told')
})

t.test('streams are counted per user, and given back', async (t) => {
  const { fetch, cluster } = await withServer(t, { limits: { streamsPerUser: 1 } })
  const first = await fetch('/api/v1/servers/default/events')
  const reader = first.body!.getReader()
  await readUntil(reader, '\n\n')
  const second = await fetch('/api/v1/servers/default/logs')
  t.equal(second.status, 429)
  t.match(await second.json(), { code: 'too_many_requests' })
  await reader.cancel()
  while (!cluster.calls.includes('watch ended')) await new Promise(setImmediate)
  const third = await fetch('/api/v1/servers/default/logs')
  t.equal(third.status, 200)
  await third.text()
})

t.test('closing the service ends streams in order', async (t) => {
  const { app, fetch } = await withServer(t)
  const events = await fetch('/api/v1/servers/default/events')
  const logs = await fetch('/api/v1/servers/default/logs?follow')
  const eventsReader = events.body!.getReader()
  const logsReader = logs.body!.getReader()
  await readUntil(eventsReader, '\n\n')
  await readUntil(logsReader, 'two\n')
  const closed = once(app.server, 'close')
  await app.close()
  t.same(await eventsReader.read(), { done: true, value: undefined })
  t.same(await logsReader.read(), { done: true, value: undefined })
  await closed
})
