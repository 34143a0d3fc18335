import t from 'tap'
import { Prover } from '../../broker/prover.ts'
import { BrokerSettings } from '../../broker/settings.ts'
import { RexecError } from '../../common/errors.ts'
import { checkSettings } from '../../common/settings.ts'
import { createSigner, createVerifier, generateSigningKey } from '../../common/tokens.ts'

async function makeProver(tokens: object, answer: (token: string) => unknown) {
  const signer = await createSigner(await generateSigningKey())
  const asked: string[] = []
  const settings = checkSettings(BrokerSettings, { tokens })
  const identify = async (token: string) => {
    asked.push(token)
    const said = answer(token)
    if (said instanceof Error) throw said
    return { user: token, servers: [], ...(said as object) }
  }
  const prover = new Prover(createVerifier(signer.publicKeys), identify, settings)
  return {
    signer,
    asked,
    prove: (token: string) => prover.prove(Buffer.from(token)),
    recall: (token: string) => prover.recall(Buffer.from(token)),
  }
}

t.test('one question per token, however many ask (C2)', async (t) => {
  const { prove, asked } = await makeProver({}, () => ({}))
  const proofs = await Promise.all([prove('alice'), prove('alice'), prove('bob')])
  t.same(
    proofs.map(({ user }) => user),
    ['alice', 'alice', 'bob'],
  )
  await prove('alice')
  t.same(asked, ['alice', 'bob'])
})

t.test('an answer is forgotten after its time, a refusal sooner (C2)', async (t) => {
  const { prove, asked } = await makeProver({ rememberSeconds: 0.0001, refusedSeconds: 100 }, (token) =>
    token === 'mallory' ? new RexecError('token_invalid') : {},
  )
  const proof = await prove('alice')
  while (Date.now() <= proof.until) await new Promise(setImmediate)
  await prove('alice')
  await t.rejects(prove('mallory'), { code: 'token_invalid' })
  await t.rejects(prove('mallory'), { code: 'token_invalid' })
  t.same(asked, ['alice', 'alice', 'mallory'])
})

t.test('only what has been proven and still holds is recalled (C2)', async (t) => {
  let time = Date.now()
  t.intercept(Date, 'now', { value: () => time })
  const { prove, recall } = await makeProver({ rememberSeconds: 1 }, (token) =>
    token === 'mallory' ? new RexecError('token_invalid') : {},
  )
  t.equal(recall('alice'), undefined, 'never seen')
  const proving = prove('alice')
  t.equal(recall('alice'), undefined, 'asked, not answered')
  const proof = await proving
  t.equal(recall('alice'), proof)
  await t.rejects(prove('mallory'))
  t.equal(recall('mallory'), undefined, 'a refusal is no proof')
  time = proof.until
  t.equal(recall('alice'), undefined, 'over')
})

t.test("a token's own end is kept (C2)", async (t) => {
  const soon = Math.floor(Date.now() / 1000) + 3
  const { prove, signer } = await makeProver({ rememberSeconds: 1000 }, () => ({ expiresAt: soon }))
  t.equal((await prove('alice')).until, soon * 1000)
  const { token, expiresAt } = await signer.sign('exec', { user: 'alice', server: 'gpu' }, 60)
  t.same(await prove(token), { user: 'alice', server: 'gpu', until: expiresAt * 1000 })
})

t.test('that the proxy did not answer is not remembered', async (t) => {
  const { prove, asked } = await makeProver({}, () => new RexecError('identity_unavailable'))
  await t.rejects(prove('alice'), { code: 'identity_unavailable' })
  await t.rejects(prove('alice'), { code: 'identity_unavailable' })
  t.equal(asked.length, 2)
})

t.test('no more tokens than allowed are remembered, the oldest goes first', async (t) => {
  const { prove, asked } = await makeProver({ maxRemembered: 2 }, () => ({}))
  for (const token of ['a', 'b', 'c', 'c', 'b', 'a']) await prove(token)
  t.same(asked, ['a', 'b', 'c', 'a'])
})
