import t from 'tap'
import { after } from '../../server/clock.ts'

t.test('calls back after the time, never for 0, and not after it was prevented', async (t) => {
  const calls: string[] = []
  after(0, () => calls.push('never'))
  const prevent = after(0.01, () => calls.push('prevented'))
  prevent()
  await new Promise<void>((resolve) => after(0.03, resolve))
  t.strictSame(calls, [])
})

t.test('longer than a timer can be: it does not end at once', async (t) => {
  let called = false
  const prevent = after(40 * 24 * 3600, () => {
    called = true
  })
  await new Promise<void>((resolve) => after(0.02, resolve))
  prevent()
  t.notOk(called)
})
