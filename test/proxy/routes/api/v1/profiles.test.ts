import t from 'tap'
import { BOB, bodyOf, startApp } from '../../../../support/test-app.ts'

t.test('GET /profiles lists those open to the user, without images or interpreters', async (t) => {
  const pythons = { '3.12': '/opt/secret/python3.12' }
  const { fetch } = await startApp(t, {
    settings: {
      securityModel: {
        profiles: [
          { name: 'small', description: 'For trying out.', pythons },
          { name: 'big', pythons, groups: ['science'], cpu: { max: 64 } },
        ],
      },
    },
  })
  const answer = await fetch('/api/v1/profiles')
  const text = await answer.text()
  t.notMatch(text, '/opt/secret')
  t.match(JSON.parse(text), {
    profiles: [
      { name: 'small', description: 'For trying out.', pythons: ['3.12'], cpu: { max: 4 } },
      { name: 'big', cpu: { max: 64 } },
    ],
  })
  const { profiles } = await bodyOf<{ profiles: { name: string }[] }>(
    fetch('/api/v1/profiles', { token: BOB }),
  )
  t.same(
    profiles.map(({ name }) => name),
    ['small'],
  )
  const taken = await fetch('/api/v1/servers', {
    method: 'POST',
    token: BOB,
    json: { profile: 'big', python: '3.12' },
  })
  t.equal(taken.status, 403)
  t.match(await taken.json(), { code: 'profile_not_allowed' })
})

t.test('GET /profiles says which images may be named, and nothing of how pods are', async (t) => {
  const pod = {
    nodeSelector: { pool: 'secret-pool' },
    volumes: [{ claim: 'secret-claim', mountPath: '/data' }],
  }
  const { fetch } = await startApp(t, {
    settings: {
      securityModel: {
        profiles: [
          { name: 'a', images: ['registry.test/science/*:*'], imagesByDigest: true, pod },
          { name: 'b' },
        ],
      },
    },
  })
  const text = await (await fetch('/api/v1/profiles')).text()
  t.notMatch(text, /secret|pod|python:/)
  t.match(JSON.parse(text), {
    profiles: [
      { images: ['registry.test/science/*:*'], imagesByDigest: true },
      { images: [], imagesByDigest: false },
    ],
  })
})

t.test('GET /broker says where the broker is', async (t) => {
  const { fetch } = await startApp(t)
  t.same(await (await fetch('/api/v1/broker')).json(), {
    address: 'tcp://broker.test:5559',
    host: 'broker.test',
    port: '5559',
  })
  t.equal((await fetch('/api/v1/broker', { token: null })).status, 401)
})
