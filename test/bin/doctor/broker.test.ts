import t from 'tap'
import { hereOf } from '../../../bin/doctor/broker.ts'

t.test('how what listens here is reached from beside it, in a URL', async (t) => {
  for (const [host, here] of [
    ['0.0.0.0', '127.0.0.1'],
    ['::', '[::1]'],
    ['fd00::7', '[fd00::7]'],
    ['192.0.2.7', '192.0.2.7'],
    ['rexec.example.org', 'rexec.example.org'],
  ] as const) {
    t.equal(hereOf(host), here)
    t.ok(URL.canParse(`http://${hereOf(host)}:10101/`))
  }
})
