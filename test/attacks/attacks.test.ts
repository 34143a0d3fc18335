import t from 'tap'
import { apiServerMissing, given, startApiServer } from '../cluster/api-server.ts'
import { type Case, corpus, users } from './corpus.ts'
import { ALICES_SERVER, API, message, namespaceOf, post, tokenOf } from './known.ts'
import { isAsExpected, type Outcome, runAttacks } from './run.ts'
import { openScene } from './scene.ts'

const AT_LEAST = 1000

/** What the run must notice: requests that do something, and answers that say too much. */
const CONTROLS: Case[] = [
  { tries: 'start a server', send: () => post({ python: '3.12', name: 'control' }), answers: '201' },
  {
    tries: "read alice's server with her token",
    send: () => message({ target: `${API}/servers/${ALICES_SERVER}`, as: 'alice' }),
    answers: '200',
  },
  { tries: 'expect something else', send: () => message({ target: `${API}/user` }), answers: 'not_found' },
  {
    tries: 'have a namespace of the own, but not this one',
    send: () => post({ python: '3.12' }, 'somebody'),
    answers: '201',
    mayChange: 'mallory',
  },
  {
    tries: 'find something planted and make a server beside it',
    plant: [
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'planted', namespace: namespaceOf('mallory') },
      },
    ],
    send: () => post({ python: '3.12', name: 'beside' }),
    answers: '201',
    mayChange: 'mallory',
  },
]

/** What others do meanwhile would look like something that an attack has changed. */
const skip = given
  ? 'REXEC_TEST_KUBECONFIG: this needs an API server of its own'
  : ((await apiServerMissing((line) => t.comment(line))) ?? false)

t.test('every attack on the real service and API server fails', { skip, timeout: 280_000 }, async (t) => {
  const server = await startApiServer(t)
  const scene = await openScene(server, [...users, 'somebody'])
  t.teardown(scene.close)
  const alices = message({ target: `${API}/servers/${ALICES_SERVER}`, as: 'alice' })
  const [before] = await scene.send(alices)

  let attacks = 0
  await runAttacks(scene, corpus, (outcome) => {
    attacks++
    t.ok(isAsExpected(outcome), `a user tries to ${outcome.tries}: ${outcome.got}`, { ...outcome })
  })
  t.ok(attacks >= AT_LEAST, `${attacks} attacks`)

  const [after] = await scene.send(alices)
  t.equal(after!.body, before!.body, "alice's server is as it was")
  for (const user of ['alice', 'mallory'])
    t.notOk(scene.log().includes(tokenOf(user)), `no token of ${user} in the log`)
  for (const secret of scene.secrets.slice(-4)) t.notOk(scene.log().includes(secret), 'nor a token of ours')

  await t.test('and it would have shown', async (t) => {
    const outcomes: Outcome[] = []
    await runAttacks(scene, { controls: CONTROLS }, (outcome) => outcomes.push(outcome))
    const [started, read, other, elsewhere, beside] = outcomes
    t.match(started!.changed, [`Job/${namespaceOf('mallory')}/rexec-control`])
    t.match(read, { leaked: true, changed: [] })
    t.match(other, { got: '200', changed: [] })
    t.ok(elsewhere!.changed.includes(`Namespace//${namespaceOf('somebody')}`))
    t.same(beside!.changed, [], 'what it may')
    t.same(outcomes.slice(0, 5).map(isAsExpected), [false, false, false, false, true])
  })
})
