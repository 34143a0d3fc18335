import type { WireAttack } from './attack.ts'
import { ALICES_SERVER, API, message, PREFIX, tokenOf } from './known.ts'

const BODY = '{"python":"3.12"}'
const VICTIMS = message({ method: 'DELETE', target: `${API}/servers/${ALICES_SERVER}` }).toString()

/** POST /servers with these lines about the length of the body, and what follows. */
function framed(answers: string, cases: Record<string, { lines: string[]; rest: string }>): WireAttack[] {
  const head = [
    `POST ${API}/servers HTTP/1.1`,
    'Host: rexec.test',
    `Authorization: Bearer ${tokenOf('mallory')}`,
    'Content-Type: application/json',
  ]
  return Object.entries(cases).map(([tries, { lines, rest }]) => ({
    tries,
    send: () => `${[...head, ...lines].join('\r\n')}\r\n\r\n${rest}`,
    answers,
  }))
}

function raw(cases: Record<string, [send: string, answers: string]>): WireAttack[] {
  return Object.entries(cases).map(([tries, [send, answers]]) => ({ tries, send: () => send, answers }))
}

/** Requests that two readers would cut apart at different places. */
export const smugglingAttacks: WireAttack[] = [
  ...framed('request_malformed', {
    'say a length and chunks': {
      lines: [`Content-Length: ${BODY.length}`, 'Transfer-Encoding: chunked'],
      rest: `0\r\n\r\n${VICTIMS}`,
    },
    'say chunks and a length': {
      lines: ['Transfer-Encoding: chunked', 'Content-Length: 4'],
      rest: `0\r\n\r\n${VICTIMS}`,
    },
    'say chunks in a word of its own': {
      lines: ['Transfer-Encoding: xchunked'],
      rest: `0\r\n\r\n${VICTIMS}`,
    },
    'say chunks and then something else': {
      lines: ['Transfer-Encoding: chunked, identity'],
      rest: `0\r\n\r\n${VICTIMS}`,
    },
    'say chunks twice': { lines: ['Transfer-Encoding: chunked, chunked'], rest: `0\r\n\r\n${VICTIMS}` },
    'say chunks behind a tab': { lines: ['Transfer-Encoding:\x0bchunked'], rest: `0\r\n\r\n${VICTIMS}` },
    'say chunks with a space before the colon': {
      lines: ['Transfer-Encoding : chunked'],
      rest: `0\r\n\r\n${VICTIMS}`,
    },
    'say chunks on a folded line': { lines: ['Transfer-Encoding:', ' chunked'], rest: `0\r\n\r\n${VICTIMS}` },
    'say chunks behind a bare LF': {
      lines: ['X: y\nTransfer-Encoding: chunked'],
      rest: `0\r\n\r\n${VICTIMS}`,
    },
    'say no size of a chunk': { lines: ['Transfer-Encoding: chunked'], rest: `\r\n${BODY}\r\n0\r\n\r\n` },
    'say a negative size of a chunk': {
      lines: ['Transfer-Encoding: chunked'],
      rest: `-1\r\n${BODY}\r\n0\r\n\r\n`,
    },
    'say a size of a chunk with 0x': {
      lines: ['Transfer-Encoding: chunked'],
      rest: `0x11\r\n${BODY}\r\n0\r\n\r\n`,
    },
    'say a size of a chunk beyond all numbers': {
      lines: ['Transfer-Encoding: chunked'],
      rest: `fffffffffffffffff\r\n${BODY}\r\n0\r\n\r\n`,
    },
    'say too small a size of a chunk': {
      lines: ['Transfer-Encoding: chunked'],
      rest: `4\r\n${BODY}\r\n0\r\n\r\n`,
    },
    'end a size of a chunk by LF alone': {
      lines: ['Transfer-Encoding: chunked'],
      rest: `11\n${BODY}\r\n0\r\n\r\n`,
    },
    'say two lengths that differ': { lines: ['Content-Length: 17', 'Content-Length: 0'], rest: BODY },
    'say two lengths in one': { lines: ['Content-Length: 17, 0'], rest: BODY },
    'say two lengths that agree': { lines: ['Content-Length: 17', 'Content-Length: 17'], rest: BODY },
  }),
  ...framed('request_malformed', {
    'say too small a length': { lines: ['Content-Length: 5'], rest: BODY },
  }),
  ...framed('request_timeout', {
    'say too great a length': { lines: ['Content-Length: 1000'], rest: BODY },
    'leave the last chunk out': { lines: ['Transfer-Encoding: chunked'], rest: `11\r\n${BODY}\r\n` },
  }),
  ...framed('body_too_large', {
    'say a huge length': { lines: ['Content-Length: 1099511627776'], rest: BODY },
    'send far too much in chunks': {
      lines: ['Transfer-Encoding: chunked', 'Connection: close'],
      rest: `${'10000\r\n'.padEnd(0x10000 + 7, ' ')}\r\n`.repeat(8),
    },
  }),
  ...raw({
    'send a second request in the body of a GET': [
      message({ target: `${API}/user`, headers: [`Content-Length: ${VICTIMS.length}`] }).toString() + VICTIMS,
      '200',
    ],
    'send a second request behind the first, which closes': [
      message({ target: `${API}/user` }).toString() + VICTIMS,
      'request_malformed',
    ],
    'have a second request borrow the identity of the first': [
      `GET ${API}/user HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tokenOf('mallory')}\r\n\r\n` +
        message({ target: `${API}/servers`, as: null }).toString(),
      '200 token_missing',
    ],
    'have a refused request open the way for a second one': [
      `GET ${API}/user HTTP/1.1\r\nHost: x\r\n\r\n${VICTIMS}`,
      'token_missing server_not_found',
    ],
    'speak without a version': [`GET ${API}/servers\r\n\r\n`, 'token_missing'],
    'speak HTTP/1.1 without a host': [
      `GET ${API}/servers HTTP/1.1\r\nAuthorization: Bearer ${tokenOf('mallory')}\r\n\r\n`,
      '400',
    ],
    'speak HTTP/2': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'request_malformed'],
    'speak HTTP/9': [`GET ${API}/servers HTTP/9.9\r\nHost: x\r\n\r\n`, 'request_malformed'],
    'begin with TLS': ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'request_malformed'],
    'speak ZeroMQ': ['\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL', 'request_malformed'],
    'begin with empty lines': [`\r\n\r\n${message({ target: `${API}/user` })}`, '200'],
    'ask for another protocol': [
      message({
        target: `${API}/servers`,
        as: null,
        headers: ['Upgrade: h2c', 'HTTP2-Settings: AAMAAABk'],
      }).toString(),
      'token_missing',
    ],
    'open a tunnel': [`CONNECT ${API}/servers HTTP/1.1\r\nHost: kubernetes.default:443\r\n\r\n`, ''],
    'ask for everything': ['OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', 'not_found'],
    'have the headers come for ever': [`GET ${PREFIX}/healthz HTTP/1.1\r\nHost: x\r\nX: `, 'request_timeout'],
  }),
]
