import { FakeBroker, type FakeEvent } from './fake-broker.ts'
import { Pickles } from './pickles.ts'
import { sharedPython } from './shared-python.ts'
import { TestServer, type TestServerOptions } from './test-server.ts'

/** What came back from a call. */
export interface Outcome {
  stdout: string
  stderr: string
  yields: unknown[]
  result: unknown
  /** Of an ERROR event. */
  error: { message: string; details: Record<string, string> } | undefined
  /** The END event. */
  end: Record<string, unknown> | undefined
  /** Channels and kinds in the order of arrival. */
  order: string[]
}

/** A ready server with a broker and a client in one: a test runs Python functions on it. */
export class ServerCalls {
  readonly broker: FakeBroker
  readonly server: TestServer
  readonly pickles: Pickles

  private constructor(broker: FakeBroker, server: TestServer, pickles: Pickles) {
    this.broker = broker
    this.server = server
    this.pickles = pickles
  }

  static async start(options: Omit<TestServerOptions, 'brokers'> = {}): Promise<ServerCalls> {
    const broker = await FakeBroker.start()
    const server = await TestServer.start({ ...options, brokers: [broker.address] })
    const pickles = new Pickles(await sharedPython())
    await broker.state('ready')
    return new ServerCalls(broker, server, pickles)
  }

  /** Runs the function `f` of the source with the arguments, a Python tuple. */
  async run(
    source: string,
    args = '()',
    options: { onEvent?(event: object): unknown; id?: string } = {},
  ): Promise<Outcome> {
    const [fn, packed] = await this.pickles.dump(source, 'f', args)
    return await this.collect(this.broker.call(fn, packed, options.id), options.onEvent)
  }

  async collect(events: AsyncIterable<FakeEvent>, onEvent?: (event: object) => unknown): Promise<Outcome> {
    const outcome: Outcome = {
      stdout: '',
      stderr: '',
      yields: [],
      result: undefined,
      error: undefined,
      end: undefined,
      order: [],
    }
    for await (const { payload } of events) {
      const event = (await this.pickles.load(payload)) as Record<string, unknown>
      if (event.channel === 'stdout') outcome.stdout += event.data
      else if (event.channel === 'stderr') outcome.stderr += event.data
      else if (event.channel === 'yield') outcome.yields.push(event.data)
      else if (event.channel === 'return') outcome.result = event.data
      else if (event.type === 'ERROR') outcome.error = event as unknown as Outcome['error']
      else outcome.end = event
      outcome.order.push(String(event.channel ?? event.type))
      await onEvent?.(event)
    }
    return outcome
  }

  async close(): Promise<void> {
    this.pickles.close()
    await this.server.close()
    this.broker.close()
  }
}
