import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What was asked of the service. */
export interface Asked {
  method: string
  authorization: string | undefined
  body: string
}

export interface FakeIdentityApi {
  url: string
  asked: Asked[]
  close(): Promise<void>
}

/** An identity service on a free port that answers as the test says: with JSON, or as `reply` writes it. */
export async function startFakeIdentityApi(
  reply: (asked: Asked, response: ServerResponse) => unknown,
): Promise<FakeIdentityApi> {
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    const question = {
      method: request.method ?? '',
      authorization: request.headers.authorization,
      body: await read(request),
    }
    asked.push(question)
    const answer = await reply(question, response)
    if (answer === undefined || response.writableEnded) return
    if (typeof answer === 'number') response.writeHead(answer).end()
    else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/user`,
    asked,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function read(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of request) body += chunk
  return body
}
