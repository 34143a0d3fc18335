import t from 'tap'
import { readBrokerSettings } from '../../broker/settings.ts'

t.test('the wait for a reason is shorter than a question to the proxy may take', async (t) => {
  const read = (reasonSeconds: number, timeoutSeconds: number) =>
    readBrokerSettings(JSON.stringify({ servers: { reasonSeconds }, proxy: { timeoutSeconds } }))
  t.equal(read(4, 5).servers.reasonSeconds, 4)
  t.throws(() => read(5, 5), { message: /servers\.reasonSeconds: must be below proxy\.timeoutSeconds/ })
  t.throws(() => readBrokerSettings('proxy: { timeoutSeconds: 2 }'), { message: /servers\.reasonSeconds/ })
  t.equal(read(0, 1).servers.reasonSeconds, 0, 'nobody is asked')
})
