import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { client, findClient } from '../support/clients.ts'
import { startFakeService } from '../support/fake-service.ts'
import { openNotebook } from '../support/notebook.ts'
import { type Part, startSeparateService } from '../support/separate-service.ts'
import { ALICE } from '../support/test-app.ts'

const { python, skip } = await findClient(client)

t.test('brokers are replaced under a stream of calls, and none is lost', { skip }, async (t) => {
  const service = await startSeparateService(t, {
    brokers: 2,
    proxy: {
      identity: { authenticators: ['static'], static: { users: [{ name: 'alice', token: ALICE }] } },
    },
  })
  const address = await startFakeService(
    t,
    service.brokers.map((broker) => broker.client),
  )
  const alice = openNotebook(
    t,
    python,
    { url: service.url, broker: { client: address }, token: ALICE },
    client,
  )
  t.match(await alice.run('set_environment(PYTHON)'), { status: 200 })
  t.equal(await alice.run('remote_func(lambda: 42)()'), 42)
  const end = join(service.folder, 'end')
  await alice.run(`
    import os
    from concurrent.futures import ThreadPoolExecutor

    def again_and_again(function):
        count = 0
        while not os.path.exists(${JSON.stringify(end)}):
            assert function(count) == count
            count += 1
        return count

    @remote_func
    def at_once(number):
        return number

    @remote_func
    def slowly(number):
        import time
        for step in range(10):
            print("step", flush=True)
            time.sleep(0.1)
        return number
  `)
  const stream = alice.run<number[]>(`
    with ThreadPoolExecutor(3) as pool:
        counts = list(pool.map(again_and_again, [at_once, at_once, slowly]))
    counts
  `)
  /** Resolves when this broker has ended so many calls since it was started. */
  const served = async (at: number, calls: number) => {
    const finished = /^rexec_broker_calls_total\{outcome="finished"\} (\d+)$/m
    while (true) {
      const metrics = await (await fetch(`${service.brokers[at]!.admin}/metrics`)).text()
      if (Number(finished.exec(metrics)?.[1] ?? 0) >= calls) return
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  const [first, second] = service.parts.brokers as [Part, Part]
  for (const [at, broker] of [first, second].entries()) {
    await Promise.race([served(at, 3), stream])
    await broker.stop()
    await broker.start()
    await Promise.race([served(at, 3), stream])
    t.pass(`broker ${at} was replaced and is used again`)
  }
  // With one broker, calls wait until it is there again.
  await Promise.all([first.stop(), second.stop()])
  await first.start()
  await Promise.race([served(0, 3), stream])
  t.pass('both were away at once')
  await writeFile(end, '')
  const counts = await stream
  t.ok(
    counts.every((count) => count > 0),
    `${counts} calls, each with its result`,
  )
})
