import { setTimeout } from 'node:timers/promises'
import { Router } from 'zeromq'
import { MAX_PART } from '../../common/protocol.ts'

/** An event of a call: kind and payload, streamed ones put together again. */
export interface FakeEvent {
  final: boolean
  payload: Buffer
}

interface FakeBrokerOptions {
  address?: string
  /** What is sent in place of WELCOME. */
  refuse?: [code: string, sentence: string] | undefined
}

/**
 * A scripted broker for servers (docs/protocol.md, section 3) on a zeromq.js Router: it welcomes whoever comes and
 * records what it is told. It closes when its server drains or has failed and no call runs.
 */
export class FakeBroker {
  readonly #router = new Router({
    linger: 0,
    mandatory: true,
    receiveHighWaterMark: 4,
    // What lies in the kernel has to be read when the broker goes on.
    receiveBufferSize: 64 * 1024,
  })
  readonly #streams = new Map<string, { size: number; bytes: number; parts: Buffer[]; final: boolean }>()
  /** Every message from a server but HEARTBEATs and parts, in order. */
  readonly messages: Buffer[][] = []
  readonly #events = new Map<string, FakeEvent[]>()
  #wake: (() => void)[] = []
  #calls = 0
  #running = 0
  #gate: Promise<void> = Promise.resolve()
  address = ''
  /** The routing id of the server that said READY last. */
  server: Buffer = Buffer.alloc(0)
  #refuse: FakeBrokerOptions['refuse']
  welcome = { heartbeat: 5, timeout: 20 }

  /** With an address: in the place of one that has been closed, as soon as the address is free again. */
  static async start({ address = 'tcp://127.0.0.1:0', refuse }: FakeBrokerOptions = {}): Promise<FakeBroker> {
    const broker = new FakeBroker()
    broker.#refuse = refuse
    for (let bound = false; !bound; ) {
      bound = await broker.#router.bind(address).then(
        () => true,
        () => setTimeout(20, false),
      )
    }
    broker.address = broker.#router.lastEndpoint!
    void broker.#serve()
    return broker
  }

  async #serve(): Promise<void> {
    for await (const [peer, ...frames] of this.#router) {
      await this.#gate
      await this.#take(peer!, frames)
    }
  }

  /** Reads nothing more, as a broker whose client does not read. */
  pause(): void {
    this.#gate = new Promise((resolve) => {
      this.resume = resolve
    })
  }

  resume: () => void = () => {}

  async #take(peer: Buffer, frames: Buffer[]): Promise<void> {
    const verb = String(frames[0])
    if (verb === 'READY') {
      this.server = peer
      if (this.#refuse) await this.send('REFUSED', ...this.#refuse)
      else await this.send('WELCOME', JSON.stringify(this.welcome))
    }
    if (verb === 'EVENT') this.#event(frames)
    else if (verb === 'FRAME' || verb === 'PART') return this.#part(verb, frames)
    if (verb === 'HEARTBEAT') await this.send('HEARTBEAT')
    else this.messages.push(frames)
    this.#notify()
    const over = verb === 'DRAIN' || (verb === 'STATE' && JSON.parse(String(frames[1])).state === 'failed')
    if (over && this.#running === 0) this.close()
  }

  #event([, id, kind, payload]: Buffer[]): void {
    const final = String(kind) === 'final'
    if (payload) this.#record(String(id), { final, payload })
    else this.#streams.set(String(id), { size: -1, bytes: 0, parts: [], final })
  }

  #part(verb: string, [, id, ...rest]: Buffer[]): void {
    const stream = this.#streams.get(String(id))!
    if (verb === 'FRAME') stream.size = Number(rest.shift())
    stream.parts.push(rest[0]!)
    stream.bytes += rest[0]!.length
    if (stream.bytes < stream.size) return
    this.#streams.delete(String(id))
    this.#record(String(id), { final: stream.final, payload: Buffer.concat(stream.parts) })
    this.#notify()
  }

  #record(id: string, event: FakeEvent): void {
    this.#events.get(id)?.push(event)
    if (event.final) this.#running--
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake()
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve))
  }

  async send(...frames: (Buffer | string)[]): Promise<void> {
    await this.#router.send([this.server, ...frames])
  }

  /** The first message (also a past one) that fits. */
  async seen(fits: (frames: string[]) => boolean): Promise<string[]> {
    for (;;) {
      const found = this.messages.map((frames) => frames.map(String)).find(fits)
      if (found) return found
      await this.#changed()
    }
  }

  /** Resolves when the server has said that it is in `state`; the message that came with it. */
  async state(state: string): Promise<string> {
    const found = await this.seen(
      ([verb, ...rest]) =>
        (verb === 'STATE' && JSON.parse(rest[0]!).state === state) ||
        (verb === 'READY' && JSON.parse(rest[2]!).state === state),
    )
    return found[0] === 'STATE' ? JSON.parse(found[1]!).message : ''
  }

  /** Sends a call and yields its events as they come, the final one last. */
  async *call(fn: Buffer, args: Buffer, id = String(++this.#calls)): AsyncGenerator<FakeEvent> {
    const events: FakeEvent[] = []
    this.#events.set(id, events)
    this.#running++
    await this.send('CALL', id, fn, args)
    yield* this.#follow(events)
  }

  /** The same with both frames in parts. */
  async *streamedCall(fn: Buffer, args: Buffer, id = String(++this.#calls)): AsyncGenerator<FakeEvent> {
    const events: FakeEvent[] = []
    this.#events.set(id, events)
    this.#running++
    await this.send('CALL', id)
    for (const frame of [fn, args]) {
      await this.send('FRAME', id, String(frame.length), frame.subarray(0, 1000))
      for (let at = 1000; at < frame.length; at += MAX_PART)
        await this.send('PART', id, frame.subarray(at, at + MAX_PART))
    }
    yield* this.#follow(events)
  }

  async *#follow(events: FakeEvent[]): AsyncGenerator<FakeEvent> {
    for (;;) {
      for (let event = events.shift(); event; event = events.shift()) {
        yield event
        if (event.final) return
      }
      await this.#changed()
    }
  }

  close(): void {
    if (!this.#router.closed) this.#router.close()
  }
}
