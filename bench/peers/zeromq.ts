/**
 * A peer: what a broker on zeromq.js would be, ROUTER to ROUTER with a remembered token, without any of rexec's
 * checks and limits. Prints where it listens and runs until it is ended.
 */
import { Router } from 'zeromq'

const SERVER = Buffer.from('alice') // the name that native/echo.c takes
const unlimited = { sendHighWaterMark: 0, receiveHighWaterMark: 0 }
const clients = new Router(unlimited)
const servers = new Router(unlimited)
const users = new Map<string, Buffer>()

await clients.bind('tcp://127.0.0.1:*')
await servers.bind('tcp://127.0.0.1:*')
process.stdout.write(`${JSON.stringify({ client: clients.lastEndpoint, server: servers.lastEndpoint })}\n`)

async function calls(): Promise<void> {
  for await (const frames of clients) {
    const delimiter = frames.findIndex((frame) => frame.length === 0)
    const token = frames[delimiter + 1]!.toString('latin1')
    const user = users.get(token) ?? SERVER
    users.set(token, user)
    await servers.send([user, ...frames.slice(0, delimiter + 1), ...frames.slice(delimiter + 2)])
  }
}

async function answers(): Promise<void> {
  for await (const [, ...frames] of servers) await clients.send(frames)
}

await Promise.all([calls(), answers()])
