import { execFile } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { Dealer, Request } from 'zeromq'
import { ensureVenv } from '../../bin/venv.ts'
import { findPythons } from '../../proxy/cluster/local/pythons.ts'
import { startBroker } from '../support/broker.ts'

const PROGRAM = join(import.meta.dirname, 'libzmq_peers.py')

const pythons = await findPythons(process.env)

/** The pyzmq that the clients pin, and old ones with other versions of libzmq in their wheels. */
for (const version of ['26.4.0', '25.1.2', '22.3.0']) {
  const python = version === '22.3.0' ? (pythons['3.10'] ?? pythons['3.9']) : 'python3'
  const skip = python === undefined && `pyzmq ${version} needs Python 3.9 or 3.10`
  t.test(`pyzmq ${version} (P1, P3, P4, P7)`, { skip }, async (t) => {
    const interpreter = await ensureVenv('pyzmq', { python: python!, packages: [`pyzmq==${version}`] })
    const { broker, token, signer } = await startBroker(t, {
      connections: { pingSeconds: 0.3, pingTimeoutSeconds: 1.5 },
    })
    const { token: credential } = await signer.sign('server', { user: 'alice', server: 'default' }, 60)
    const input = [broker.clientAddress, broker.serverAddress, await token('alice'), credential]
    const output = await new Promise<string>((resolve, reject) => {
      const child = execFile(interpreter, [PROGRAM], (error, stdout) =>
        error ? reject(error) : resolve(stdout),
      )
      child.stdin!.end(input.join(' '))
    })
    const { libzmq, ...result } = JSON.parse(output)
    t.comment(`libzmq ${libzmq}`)
    t.same(result, {
      pyzmq: version,
      dealer: 'same',
      pipelined: true,
      req: true,
      pinging: 'same',
      disconnected: [],
      after: ['same', 'same'],
      'subscriber refused': true,
    })
  })
}

t.test('zeromq.js on both ports (P1, P3, P7)', async (t) => {
  const { broker, token, signer } = await startBroker(t)
  const { token: credential } = await signer.sign('server', { user: 'alice', server: 'default' }, 60)
  const server = new Dealer({ linger: 0 })
  const client = new Dealer({ linger: 0, routingId: 'same' })
  const twin = new Dealer({ linger: 0, routingId: 'same' })
  const req = new Request({ linger: 0 })
  t.teardown(() => {
    for (const socket of [server, client, twin, req]) socket.close()
  })
  server.connect(broker.serverAddress)
  for (const socket of [client, twin, req]) socket.connect(broker.clientAddress)
  await server.send(['READY', '1', credential, JSON.stringify({ concurrency: 9, state: 'ready' })])
  t.equal(String((await server.receive())[0]), 'WELCOME')
  const bearer = await token('alice')
  for (const [index, socket] of [client, twin].entries()) {
    await socket.send(['', bearer, 'f', `${index}`])
    const [, id, , body] = await server.receive()
    await server.send(['EVENT', id!, 'final', body!])
    t.same((await socket.receive()).map(String), ['', `${index}`])
  }
  await req.send([bearer, 'f', 'a'])
  const [, id] = await server.receive()
  await server.send(['EVENT', id!, 'final', 'answer'])
  t.same((await req.receive()).map(String), ['answer'])
})
