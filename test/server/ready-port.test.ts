import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { ReadyPort } from '../../server/ready-port.ts'
import { keptLog } from '../support/log.ts'

t.test('many connections that send and never close: each is closed, and nothing is kept', async (t) => {
  const { logger } = keptLog()
  const ready = new ReadyPort(0, logger)
  const port = (await ready.open())!
  t.equal(await ready.open(), undefined, 'it is open already')
  const sockets: Socket[] = []
  for (let i = 0; i < 200; i++) {
    const socket = connect({ port, host: '127.0.0.1' }).on('error', () => {})
    socket.resume().write(Buffer.alloc(100_000))
    sockets.push(socket)
  }
  await Promise.all(sockets.map((socket) => socket.closed || new Promise((end) => socket.once('close', end))))
  ready.close()
  const refused = connect(port, '127.0.0.1')
  const [error] = await once(refused, 'error')
  t.equal(error.code, 'ECONNREFUSED')
})

t.test('a port that somebody else has: the server goes on without', async (t) => {
  const log = keptLog()
  const first = new ReadyPort(0, log.logger)
  const second = new ReadyPort((await first.open())!, log.logger)
  t.equal(await second.open(), undefined)
  t.match(log.text(), 'cannot be opened')
  first.close()
  second.close()
})
