import t from 'tap'
import { checkSettings, SettingsError } from '../../../common/settings.ts'
import { checkClusterSettings } from '../../../proxy/cluster/check-settings.ts'
import { ProxySettings } from '../../../proxy/settings.ts'

const broker = {
  clientAddress: 'tcp://b:5559',
  serverAddresses: ['tcp://b:5560'],
  credential: 'x'.repeat(32),
}

const identity = { authenticators: ['static'], static: { users: [{ name: 'alice', token: 'x'.repeat(32) }] } }

function check(kubernetes: object, others: object = {}): void {
  checkClusterSettings(
    checkSettings(ProxySettings, {
      broker,
      identity,
      cluster: { kind: 'kubernetes', kubernetes },
      ...others,
    }),
  )
}

t.test('the defaults are good for either kind', async () => {
  check({})
  check({}, { cluster: { kind: 'local' } })
  check({ namespaces: { mode: 'given', given: { alice: 'team-a', bob: 'team-b' } } })
})

t.test('what makes no sense is refused, all of it at once', async (t) => {
  const given = { alice: 'team-a', bob: 'team-a', carol: 'rexec', dave: 'kube-system', erin: 'default' }
  const network = { privateRanges: ['10.0.0.0/8', '10.0.0.0/33', '0.0.0.0/0', '999.1.1.1/8', '::/0'] }
  try {
    check({ namespaces: { mode: 'given', given }, network })
    t.fail('it was taken')
  } catch (error) {
    t.type(error, SettingsError)
    const lines = (error as Error).message.split('\n').slice(1)
    t.same(lines, [
      '  - cluster.kubernetes.namespaces.given: rexec, for "carol", cannot be the namespace of a user',
      '  - cluster.kubernetes.namespaces.given: kube-system, for "dave", cannot be the namespace of a user',
      '  - cluster.kubernetes.namespaces.given: default, for "erin", cannot be the namespace of a user',
      '  - cluster.kubernetes.namespaces.given: team-a is given to 2 users',
      '  - cluster.kubernetes.network.privateRanges: 10.0.0.0/33 is no range of addresses (all of them: internet: false)',
      '  - cluster.kubernetes.network.privateRanges: 0.0.0.0/0 is no range of addresses (all of them: internet: false)',
      '  - cluster.kubernetes.network.privateRanges: 999.1.1.1/8 is no range of addresses (all of them: internet: false)',
      '  - cluster.kubernetes.network.privateRanges: ::/0 is no range of addresses (all of them: internet: false)',
    ])
  }
})

t.test('modes and kinds that do not go together', async (t) => {
  t.throws(() => check({ namespaces: { mode: 'given' } }), /needs a namespace for each user/)
  t.throws(() => check({ namespaces: { given: { alice: 'a' } } }), /no meaning in mode made/)
  const securityModel = { profiles: [{ name: 'free', images: ['registry.example.org/*:*'] }] }
  t.throws(() => check({}, { cluster: { kind: 'local' }, securityModel }), /"free" has images/)
})

t.test('namespaces are not deleted before somebody can notice that the hub has lost its users', async (t) => {
  const whenUserVanishes = 'delete'
  check({ namespaces: { whenUserVanishes, vanishedSeconds: 3600 } })
  check({ namespaces: { vanishedSeconds: 0 } })
  t.throws(
    () => check({ namespaces: { whenUserVanishes, vanishedSeconds: 3599 } }),
    /kubernetes\.namespaces\.vanishedSeconds: with whenUserVanishes delete it is 3600 at least/,
  )
  t.throws(() => check({ namespaces: { maxVanishedShare: 1.1 } }), /maxVanishedShare/)
})
