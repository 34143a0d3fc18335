import type { Test } from 'tap'
import { FakeBroker } from './fake-broker.ts'
import { TestServer, type TestServerOptions } from './test-server.ts'

/** A server that need not become ready, with a broker of its own; both end with the test. */
export async function startServer(t: Test, options: Omit<TestServerOptions, 'brokers'>) {
  const broker = await FakeBroker.start()
  const server = await TestServer.start({ ...options, brokers: [broker.address] })
  t.teardown(async () => {
    await server.close()
    broker.close()
  })
  return { broker, server }
}
