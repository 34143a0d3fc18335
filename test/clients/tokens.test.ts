import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createSigner, generateSigningKey } from '../../common/tokens.ts'
import { client, findClient } from '../support/clients.ts'
import { startLocalService } from '../support/local-service.ts'
import { openNotebook } from '../support/notebook.ts'

const { python, skip } = await findClient(client)

t.test('what a client may show the broker', { skip }, async (t) => {
  const service = await startLocalService(t)
  const identity = service.as('alice')
  const alice = openNotebook(t, python, identity, client)
  const { signingKey } = JSON.parse(await readFile(join(service.state, 'secrets.json'), 'utf8'))
  const signer = await createSigner(signingKey)

  /** Calls with this token; resolves with what the client raised, which must not hold the token. */
  async function refusal(token: string, message: RegExp, title: string): Promise<void> {
    const call = `remote_func.set_exec_token(${JSON.stringify(token)})\nremote_func(lambda: 42)()`
    const error = await alice.raises(call)
    t.match(error, { name: 'RuntimeError', message }, title)
    t.notOk(error.message.includes(token), `${title}: the answer does not repeat it`)
  }

  t.match(
    await alice.raises('remote_func(lambda: 42)()'),
    { name: 'RuntimeError', message: /token not set/ },
    'none: the client itself says so',
  )
  await refusal('of-nobody-at-all', /\[token_invalid\]/, 'one that nobody knows')
  await refusal(
    (await signer.sign('exec', { user: 'alice' }, -60)).token,
    /expired.*\[token_invalid\]/,
    'an expired exec token',
  )
  await refusal(
    (await signer.sign('server', { user: 'alice', server: 'default' }, 60)).token,
    /\[token_wrong_kind\]/,
    'a server credential',
  )
  const stranger = await createSigner({ ...(await generateSigningKey()), kid: signingKey.kid })
  await refusal(
    (await stranger.sign('exec', { user: 'alice' }, 60)).token,
    /\[token_invalid\]/,
    'an exec token that a stranger has signed',
  )
  await refusal(
    identity.token,
    /no running server.*set_environment.*\[no_server\]/,
    'a good one, but no server',
  )
  await refusal('x'.repeat(20_000), /\[(token_invalid|message_malformed)\]/, 'a very long one')

  t.match(await alice.run('set_environment(PYTHON)'), { status: 200 })
  const answer = await fetch(`${service.url}/api/v1/tokens`, {
    method: 'POST',
    headers: { authorization: `Bearer ${identity.token}` },
  })
  const { token } = (await answer.json()) as { token: string }
  t.equal(
    await alice.run(`remote_func.set_exec_token("${token}")\nremote_func(lambda: 42)()`),
    42,
    'an exec token from the service',
  )
  const wrong = { ...identity, token: 'of-nobody-at-all' }
  t.match(
    await openNotebook(t, python, wrong, client).run('set_environment(PYTHON)'),
    { status: 401, code: 'token_invalid' },
    'a wrong token at the service: JSON that reads well',
  )
})
