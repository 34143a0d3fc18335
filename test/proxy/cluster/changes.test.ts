import t from 'tap'
import { Changes } from '../../../proxy/cluster/changes.ts'

t.test('everybody who waits is woken, by a change or an abort', async (t) => {
  const changes = new Changes()
  const abort = new AbortController()
  const waiting = [changes.wait(abort.signal), changes.wait(abort.signal)]
  changes.notify()
  await Promise.all(waiting)
  const next = changes.wait(abort.signal)
  abort.abort()
  await next
  await changes.wait(abort.signal)
  t.pass('nobody waits for ever')
})
