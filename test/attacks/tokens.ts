import type { WireAttack } from './attack.ts'
import { publicPart, signed, signedByRsa, signedWithPublicKey, spliced, unsigned } from './forge.ts'
import { ALICES_SERVER, API, type Known, message, PREFIX, tokenOf } from './known.ts'

type Make = (known: Known) => string

/** A token shown as the identity of a user, on a route that only reads and on the one that starts a server. */
function asIdentity(answers: string, cases: Record<string, Make>): WireAttack[] {
  return Object.entries(cases).flatMap(([tries, token]): WireAttack[] => [
    {
      tries: `read as a user with ${tries}`,
      send: (known) =>
        message({ target: `${API}/servers`, as: null, headers: [`Authorization: Bearer ${token(known)}`] }),
      answers,
    },
    {
      tries: `start a server with ${tries}`,
      send: (known) =>
        message({
          method: 'POST',
          target: `${API}/servers`,
          as: null,
          headers: [`Authorization: Bearer ${token(known)}`],
          body: '{"python":"3.12"}',
        }),
      answers,
    },
  ])
}

/** A token that a client shows a broker, and the broker shows the service: it must not be taken for one of alice. */
function asExecToken(answers: string, cases: Record<string, Make>): WireAttack[] {
  return Object.entries(cases).map(([tries, token]) => ({
    tries: `show a broker ${tries}`,
    send: (known) => review(known, token(known)),
    answers,
  }))
}

function review(known: Known, token: string, credential = known.credential): Buffer {
  return message({
    method: 'POST',
    target: `${API}/token-reviews`,
    as: null,
    headers: [`Authorization: Bearer ${credential}`],
    body: JSON.stringify({ token }),
  })
}

/** Lines of a request for the own list of servers, with mallory's token or with alice's where it does not count. */
function shown(answers: string, cases: Record<string, string[]>): WireAttack[] {
  return Object.entries(cases).map(([tries, headers]) => ({
    tries,
    send: () => message({ target: `${API}/servers`, as: null, headers }),
    answers,
  }))
}

function inUrl(cases: Record<string, string>): WireAttack[] {
  return Object.entries(cases).map(([tries, query]) => ({
    tries,
    send: () => message({ target: `${API}/servers?${query}`, as: null }),
    answers: 'token_in_url',
  }))
}

const ALICE = tokenOf('alice')
const MALLORY = tokenOf('mallory')

/** Proofs of one thing shown for another, forged ones, and tokens where none belongs. */
export const tokenAttacks: WireAttack[] = [
  ...asIdentity('token_wrong_kind', {
    'the own exec token': (known) => known.exec.mallory,
    'an exec token of alice': (known) => known.exec.alice,
    'the credential of the own server': (known) => known.server.mallory,
    "the credential of alice's server": (known) => known.server.alice,
    'a forged exec token': (known) => unsigned(known, 'none'),
  }),
  ...asIdentity('token_invalid', {
    'the credential of the broker': (known) => known.credential,
    'a token that nobody has': () => 'x'.repeat(64),
    'a token of alice in capitals': () => ALICE.toUpperCase(),
    'a token of alice without its end': () => ALICE.slice(0, -1),
    'a token of alice and more': () => `${ALICE}x`,
    'a token of alice and its own': () => `${ALICE},${MALLORY}`,
    'a token of alice twice': () => `${ALICE}${ALICE}`,
    'a JWT of somebody else': () => 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.',
    'a name instead of a token': () => 'alice',
    'a token that is far too long': () => 'x'.repeat(17_000),
  }),
  ...asExecToken('token_wrong_kind', {
    "the credential of alice's server": (known) => known.server.alice,
    'the credential of the own server': (known) => known.server.mallory,
    'a token for another audience': (known) => signed(known, { claims: { aud: 'somebody-else' } }),
    "a token for servers' audience": (known) => signed(known, { claims: { aud: 'rexec-broker-servers' } }),
    'a token without an audience': (known) => signed(known, { claims: { aud: undefined } }),
  }),
  ...asExecToken('token_invalid', {
    'a token without a signature (none)': (known) => unsigned(known, 'none'),
    'a token without a signature (None)': (known) => unsigned(known, 'None'),
    'a token without a signature (EdDSA)': (known) => unsigned(known, 'EdDSA'),
    'a token with an empty signature by HS256': (known) => unsigned(known, 'HS256'),
    'a token with a signature of zeros': (known) => unsigned(known, 'EdDSA', 'A'.repeat(86)),
    'a token signed by the public key as a secret (PEM)': (known) => signedWithPublicKey(known, 'pem'),
    'a token signed by the public key as a secret (DER)': (known) => signedWithPublicKey(known, 'der'),
    'a token signed by the public key as a secret (JWK)': (known) => signedWithPublicKey(known, 'jwk'),
    'a token signed by the public key as a secret (bytes)': (known) => signedWithPublicKey(known, 'x'),
    'a token signed by an RSA key': (known) => signedByRsa(known),
    'a token of another installation': (known) => signed(known, {}, known.otherKey),
    'a token of another installation by its key id': (known) =>
      signed(known, { head: { kid: known.otherKey.kid } }, known.otherKey),
    'a token that brings its key': (known) =>
      signed(known, { head: { kid: undefined, jwk: known.otherKey } }, known.otherKey),
    'a token that says where its key is': (known) =>
      signed(known, { head: { kid: undefined, jku: 'http://127.0.0.1:1/keys' } }, known.otherKey),
    'a token that brings a certificate': (known) =>
      signed(known, { head: { x5c: ['MIIB'], x5u: 'http://127.0.0.1:1/' } }, known.otherKey),
    'a token whose key id is a path': (known) =>
      signed(known, { head: { kid: '../../../../dev/null' } }, known.otherKey),
    'a token whose key id is a query': (known) =>
      signed(known, { head: { kid: "x' OR 1=1 --" } }, known.otherKey),
    'a token whose key id is a list': (known) => signed(known, { head: { kid: [known.key.kid] } }),
    'a token whose key id is the prototype': (known) => signed(known, { head: { kid: '__proto__' } }),
    'a token with a critical field': (known) => signed(known, { head: { crit: ['x'], x: true } }),
    'a token with unencoded claims': (known) => signed(known, { head: { crit: ['b64'], b64: false } }),
    'a token that has expired': (known) => signed(known, { claims: { exp: 1_700_000_000 } }),
    'a token that has just expired': (known) =>
      signed(known, { claims: { exp: Math.floor(Date.now() / 1000) - 6 } }),
    'a token without an end': (known) => signed(known, { claims: { exp: undefined } }),
    'a token whose end is a text': (known) => signed(known, { claims: { exp: '9999999999' } }),
    'a token that is not valid yet': (known) => signed(known, { claims: { nbf: 9_999_999_999 } }),
    'a token of another issuer': (known) => signed(known, { claims: { iss: 'evil' } }),
    'a token without an issuer': (known) => signed(known, { claims: { iss: undefined } }),
    'a token without a user': (known) => signed(known, { claims: { sub: undefined } }),
    'a token of the empty user': (known) => signed(known, { claims: { sub: '' } }),
    'a token of two users': (known) => signed(known, { claims: { sub: ['mallory', 'alice'] } }),
    'a token of a user that is an object': (known) => signed(known, { claims: { sub: { name: 'alice' } } }),
    'a token without an id': (known) => signed(known, { claims: { jti: undefined } }),
    'a token for a server that is a list': (known) => signed(known, { claims: { server: ['lab'] } }),
    "its own token with alice's claims": (known) => spliced(known),
    "alice's token with its signature cut": (known) => known.exec.alice.slice(0, -2),
    "alice's token with its signature changed": (known) => known.exec.alice.replace(/.{4}$/, 'AAAA'),
    "alice's token with a fourth part": (known) => `${known.exec.alice}.x`,
    "alice's token with a space": (known) => `${known.exec.alice} `,
    "alice's token twice": (known) => `${known.exec.alice}${known.exec.alice}`,
    "alice's token with padding": (known) => `${known.exec.alice}==`,
    'a public key': (known) => JSON.stringify(publicPart(known)),
    'a word': () => 'alice',
    'a space': () => ' ',
    'a token that nobody has': () => 'x'.repeat(64),
  }),
  ...asExecToken('body_invalid', {
    nothing: () => '',
    'far too much': () => 'x'.repeat(17_000),
  }),
  {
    tries: 'have a token reviewed as a user',
    send: (known) => review(known, known.exec.alice, MALLORY),
    answers: 'broker_only',
  },
  {
    tries: 'have a token reviewed with an exec token',
    send: (known) => review(known, known.exec.alice, known.exec.mallory),
    answers: 'broker_only',
  },
  {
    tries: 'have a token reviewed with the credential of a server',
    send: (known) => review(known, known.exec.alice, known.server.mallory),
    answers: 'broker_only',
  },
  ...Object.entries({
    'as a user': () => MALLORY,
    'with an exec token': (known: Known) => known.exec.mallory,
    'with the credential of a server': (known: Known) => known.server.mallory,
  }).map(
    ([how, shown]): WireAttack => ({
      tries: `ask why a server is lost, ${how}`,
      send: (known) =>
        message({
          method: 'POST',
          target: `${API}/server-reviews`,
          as: null,
          headers: [`Authorization: Bearer ${shown(known)}`],
          body: JSON.stringify({ credential: known.server.mallory, waitSeconds: 30 }),
        }),
      answers: 'broker_only',
    }),
  ),
  {
    tries: 'have a token reviewed with half of the credential',
    send: (known) => review(known, known.exec.alice, known.credential.slice(0, -1)),
    answers: 'broker_only',
  },
  {
    tries: 'have a token reviewed without a credential',
    send: (known) =>
      message({
        method: 'POST',
        target: `${API}/token-reviews`,
        as: null,
        body: JSON.stringify({ token: known.exec.alice }),
      }),
    answers: 'token_missing',
  },
  ...inUrl({
    'put a token into the address': `token=${ALICE}`,
    'put a token into the address as OAuth does': `access_token=${ALICE}`,
    'put a token into the address as a key': `api_key=${ALICE}`,
    'put a token into the address as a header': `Authorization=Bearer%20${ALICE}`,
    'put a token into the address in capitals': `TOKEN=${ALICE}`,
    'put a token into the address, escaped': `%74oken=${ALICE}`,
    'put two tokens into the address': `token=${ALICE}&token=${MALLORY}`,
    'put an empty token into the address': 'token=',
  }),
  ...shown('token_missing', {
    'show nothing': [],
    'show a cookie': [`Cookie: token=${ALICE}; Authorization=Bearer ${ALICE}`],
    "show a cookie of JupyterHub's": [
      `Cookie: jupyterhub-user-alice=${ALICE}; jupyterhub-session-id=${ALICE}`,
    ],
    'show the token to a proxy': [`Proxy-Authorization: Bearer ${ALICE}`],
    'show the token in another header': [`X-Auth-Token: ${ALICE}`, `X-Api-Key: ${ALICE}`, `Token: ${ALICE}`],
    'show a header that looks alike': [`Authorization-: Bearer ${ALICE}`, `X-Authorization: Bearer ${ALICE}`],
    'claim a user': ['X-Forwarded-User: alice', 'Remote-User: alice', 'X-JupyterHub-User: alice'],
  }),
  ...shown('token_invalid', {
    'show an empty header': ['Authorization: '],
    'show a token without a scheme': [`Authorization: ${ALICE}`],
    'show a token as a password': [
      `Authorization: Basic ${Buffer.from(`alice:${ALICE}`).toString('base64')}`,
    ],
    'show a token by another scheme': [`Authorization: Digest ${ALICE}`],
    'show a scheme alone': ['Authorization: Bearer'],
    'show the scheme twice': [`Authorization: Bearer Bearer ${ALICE}`],
    'show two tokens in one header': [`Authorization: Bearer ${ALICE}, Bearer ${MALLORY}`],
    'show two tokens with a space': [`Authorization: Bearer ${ALICE} ${MALLORY}`],
    'show a token behind a tab': [`Authorization: Bearer\t${ALICE}`],
    'show a token in quotes': [`Authorization: Bearer "${ALICE}"`],
    'show a token behind a no-break space': [`Authorization: Bearer\xa0${ALICE}`],
    'show a token with a letter beyond ASCII': [`Authorization: Bearer ${ALICE}é`],
    'show the name of a user': ['Authorization: Bearer alice'],
  }),
  ...shown('request_malformed', {
    'show two tokens, the own one first': [
      `Authorization: Bearer ${MALLORY}`,
      `Authorization: Bearer ${ALICE}`,
    ],
    'show two tokens, the own one last': [
      `Authorization: Bearer ${ALICE}`,
      `authorization: Bearer ${MALLORY}`,
    ],
    'show one token twice': [`Authorization: Bearer ${MALLORY}`, `AUTHORIZATION: Bearer ${MALLORY}`],
    'show a token and an empty header': [`Authorization: Bearer ${MALLORY}`, 'Authorization: '],
    'show a token behind NUL': [`Authorization: Bearer \0${ALICE}`],
    'show a token with a space before the colon': [`Authorization : Bearer ${ALICE}`],
    'show a token on a folded line': ['Authorization: Bearer', ` ${ALICE}`],
  }),
  ...shown('200', {
    'show the own token in odd writing': [`aUTHORIZATION:   bEARER   ${MALLORY}  `],
    "show the own token and alice's in a cookie": [
      `Authorization: token ${MALLORY}`,
      `Cookie: token=${ALICE}`,
    ],
  }),
  {
    tries: 'put a token into the body',
    send: () =>
      message({
        method: 'POST',
        target: `${API}/servers`,
        body: JSON.stringify({ python: '3.12', token: ALICE }),
      }),
    answers: 'body_invalid',
  },
  {
    tries: "put alice's token into a form beside the own one in the header",
    send: () =>
      message({
        method: 'DELETE',
        target: `${PREFIX}/terminate`,
        body: `token=${ALICE}`,
        type: 'application/x-www-form-urlencoded',
      }),
    answers: 'body_invalid',
  },
  {
    tries: 'get a token that lives longer than allowed',
    send: () =>
      message({
        method: 'POST',
        target: `${API}/tokens`,
        body: JSON.stringify({ lifetimeSeconds: 10_000_000 }),
      }),
    answers: 'body_invalid',
  },
  {
    tries: "get a token for alice's server",
    send: () =>
      message({ method: 'POST', target: `${API}/tokens`, body: JSON.stringify({ server: ALICES_SERVER }) }),
    answers: 'server_not_found',
  },
  {
    tries: 'get a token for another user',
    send: () => message({ method: 'POST', target: `${API}/tokens`, body: JSON.stringify({ user: 'alice' }) }),
    answers: 'body_invalid',
  },
]
