import t from 'tap'
import { FakeBroker } from '../support/fake-broker.ts'
import { freePort } from '../support/free-port.ts'
import { TestServer } from '../support/test-server.ts'

t.test('a server that no broker has taken says why, and is not ready until one has', async (t) => {
  const address = `tcp://127.0.0.1:${await freePort()}`
  const server = await TestServer.start({ brokers: [address] })
  t.teardown(() => server.close())
  const { state } = await server.said(({ message }) =>
    message.includes(`broker ${address} (it cannot be reached)`),
  )
  t.equal(state, 'installing')
  t.notOk(server.states.some(({ state }) => state === 'ready'))
  const broker = await FakeBroker.start({ address })
  t.teardown(() => broker.close())
  await server.said(({ state }) => state === 'ready')
  t.match(server.states.at(-1), { state: 'ready', message: '' })
})
