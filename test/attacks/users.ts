import type { WireAttack } from './attack.ts'
import { ALICES_SERVER, API, message, post } from './known.ts'

/** Names that an identity service might give, each of somebody who is neither alice nor Kubernetes. */
const NAMES: Record<string, string> = {
  'alice in other letters': 'Alice',
  'alice in capitals': 'ALICE',
  'alice with a space': 'alice ',
  'alice with a dot': 'alice.',
  'alice with a Cyrillic letter': 'аlice',
  'alice with a zero-width letter': 'al\u200bice',
  'alice with a full-width letter': 'ａlice',
  'alice by a path': 'mallory/../alice',
  'alice by an escape': '%61lice',
  'alice by a list': 'mallory,alice',
  'a name that collides in kbatch': 'alice@example.com',
  'the name it collides with': 'alice.@example.com.+~+~-+~+-.!',
  'a letter with an accent': 'ren\u00e9',
  'the same letter in two parts': 'rene\u0301',
  'a namespace of Kubernetes': 'kube-system',
  'the default namespace': 'default',
  'the namespace of the release': 'rexec',
  'what the proxy is called': 'proxy',
  'an account of Kubernetes': 'system:serviceaccount:rexec:rexec-proxy',
  'the group of all rights': 'system:masters',
  'a JSON object': '{"name":"alice"}',
  'a YAML document': 'a: b\n---\nkind: Pod',
  'a label selector': 'app!=x,rexec.dev/server',
  'a template': '{{ .Values.secret }}',
  'a shell command': '$(kubectl delete ns rexec)',
  'dots alone': '...',
  'a smiley': '😀',
  'a name of 255 letters': 'a'.repeat(255),
  'a name of 255 letters that ends otherwise': `${'a'.repeat(254)}b`,
}

/** Users whose names are meant to lead elsewhere than into a namespace of their own. */
export const userAttacks: WireAttack[] = Object.entries(NAMES).flatMap(([kind, user]): WireAttack[] => [
  {
    tries: `be called ${kind}, and read`,
    send: () => message({ target: `${API}/servers/${ALICES_SERVER}`, as: user }),
    answers: 'server_not_found',
    as: user,
  },
  {
    tries: `be called ${kind}, and start a server`,
    send: () => post({ python: '3.12', name: 'own' }, user),
    answers: '201',
    as: user,
    mayChange: user,
  },
])
