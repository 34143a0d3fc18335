import t from 'tap'
import { addressesOf, formatAddress, type Lookup, parseAddress } from '../../common/address.ts'

t.test('addresses as settings have them', async (t) => {
  for (const [address, host, port] of [
    ['tcp://[::1]:5559', '::1', 5559],
    ['tcp://a.b:1', 'a.b', 1],
    ['tcp://127.0.0.1:5560', '127.0.0.1', 5560],
  ] as const) {
    t.same(parseAddress(address), { host, port })
    t.equal(formatAddress(host, port), address)
  }
})

t.test('all addresses of a name, of one family', async (t) => {
  const asked: unknown[] = []
  const answers =
    (...addresses: string[]): Lookup =>
    async (name, { family }) => {
      asked.push([name, family])
      return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
    }
  const both = await addressesOf('both', 0, answers('10.0.0.1', '10.0.0.2', 'fd00::1', 'fd00::2'))
  t.same(both, { family: 4, addresses: ['10.0.0.1', '10.0.0.2'] })
  const six = await addressesOf('six', 6, answers('fd00::1', 'fd00::2'))
  t.same(six, { family: 6, addresses: ['fd00::1', 'fd00::2'] })
  t.same(asked, [
    ['both', 0],
    ['six', 6],
  ])
  await t.rejects(addressesOf('none', 0, answers()), { message: 'no address of none' })
  t.match(await addressesOf('localhost'), { addresses: ['127.0.0.1'] }, "by the system's resolver")
})
