import {
  DESCRIPTION,
  INSTANCE as INSTANCE_LABEL,
  OWNER,
  OWNER_HASH,
  objectName,
  ownerHash,
  ownLabels,
  SERVER,
  VERDICT,
} from '../../proxy/cluster/kubernetes/names.ts'
import type { PlantedAttack } from './attack.ts'
import { ALICES_SERVER, API, INSTANCE, message, namespaceOf, post } from './known.ts'

const MALLORYS = namespaceOf('mallory')
const OURS = ownLabels(INSTANCE)

interface Forged {
  namespace?: string
  server: string
  /** Of the Job; without: the one that a server of this name has. */
  name?: string
  owner?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
  spec?: object
}

/** A Job that says it is a server of rexec, in mallory's namespace unless told otherwise. It is suspended: no pods. */
function job({ namespace = MALLORYS, server, owner = 'mallory', ...more }: Forged): object {
  const labels = { ...OURS, [SERVER]: server, [OWNER_HASH]: ownerHash(owner) }
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: more.name ?? objectName(server),
      namespace,
      labels: more.labels ?? labels,
      annotations: { [OWNER]: owner, ...more.annotations },
    },
    spec: {
      suspend: true,
      template: {
        spec: { restartPolicy: 'Never', containers: [{ name: 'worker', image: 'evil.example/a:1' }] },
      },
      ...more.spec,
    },
  }
}

function namespace(name: string, owner?: string, more: { labels?: object } = {}): object {
  const labels = owner === undefined ? {} : { ...OURS, [OWNER_HASH]: ownerHash(owner) }
  const annotations: Record<string, string> = owner === undefined ? {} : { [OWNER]: owner }
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels: { ...labels, ...more.labels }, annotations },
  }
}

type Ask = 'GET' | 'DELETE' | 'list' | 'POST'

/** What is asked about the server `name`, and what comes back. */
function asks(as: string, name: string, answers: Partial<Record<Ask, string>>) {
  const send: Record<Ask, () => Buffer> = {
    GET: () => message({ target: `${API}/servers/${name}`, as }),
    DELETE: () => message({ method: 'DELETE', target: `${API}/servers/${name}`, as }),
    list: () => message({ target: `${API}/servers`, as }),
    POST: () => post({ python: '3.12', name }, as),
  }
  return Object.entries(answers).map(([ask, answers]) => ({ ask, send: send[ask as Ask], answers }))
}

interface Game {
  plant: (name: string) => object[]
  as?: string
  /** Of the server that is asked about; without: one of the game's own. */
  name?: string
  answers: Partial<Record<Ask, string>>
  /** The list may show it: it is in the user's own namespace and names the user. */
  listed?: boolean
  mayChange?: string
  heals?: boolean
}

function games(cases: Record<string, Game>): PlantedAttack[] {
  return Object.entries(cases).flatMap(([tries, game], index) => {
    const { plant, as = 'mallory', name = `forged-${index}-x`, answers, listed, ...more } = game
    const planted = plant(name)
    return asks(as, name, answers).map(({ ask, send, answers }) => ({
      tries: `${tries} (${ask} as ${as})`,
      plant: planted,
      send,
      answers,
      as,
      ...(ask === 'list' && !listed && { hides: name }),
      ...more,
    }))
  })
}

const hidden = { GET: 'server_not_found', DELETE: 'server_not_found', list: '200' }
const taken = { ...hidden, POST: 'namespace_not_ready' }
const described = (text: string): Game => ({
  plant: (server) => [job({ server, annotations: { [DESCRIPTION]: text } })],
  answers: { GET: '200', list: '200' },
  listed: true,
})
const description = (changes: object) =>
  JSON.stringify({
    profile: 'default',
    python: '3.12',
    requirements: [],
    resources: { cpu: 1, memory: 1, gpu: 0 },
    replicas: 1,
    concurrency: 1,
    lifetimeSeconds: 60,
    environmentDigest: '0'.repeat(64),
    digest: '0'.repeat(64),
    ...changes,
  })

/** An object called "rexec" that is not ours, in a namespace that is the user's. */
function occupied(kind: string, apiVersion: string, spec: object, code = 'namespace_not_ready'): Game {
  const user = `user with a ${kind}`
  return {
    plant: () => [
      namespace(namespaceOf(user), user),
      { apiVersion, kind, metadata: { name: 'rexec', namespace: namespaceOf(user) }, ...spec },
    ],
    as: user,
    answers: { POST: code },
    mayChange: user,
  }
}

/** What mallory might write into the own namespace, and what somebody else might write elsewhere. */
export const labelAttacks: PlantedAttack[] = games({
  "label a Job as alice's": { plant: (server) => [job({ server, owner: 'alice' })], answers: hidden },
  "label a Job as alice's, for alice to see": {
    plant: (server) => [job({ server, owner: 'alice' })],
    as: 'alice',
    answers: hidden,
  },
  "name alice's server in a Job": {
    plant: (server) => [job({ server, owner: 'alice' })],
    name: ALICES_SERVER,
    answers: hidden,
  },
  "take alice's hash and the own name": {
    plant: (server) => [
      job({ server, labels: { ...OURS, [SERVER]: server, [OWNER_HASH]: ownerHash('alice') } }),
    ],
    as: 'alice',
    answers: hidden,
  },
  'take the own hash and the name of alice': {
    plant: (server) => [
      job({
        server,
        labels: { ...OURS, [SERVER]: server, [OWNER_HASH]: ownerHash('mallory') },
        annotations: { [OWNER]: 'alice' },
      }),
    ],
    answers: hidden,
  },
  'call a Job by a server in its label alone': {
    plant: (server) => [job({ server, name: 'not-of-rexec', labels: { ...OURS, [SERVER]: server } })],
    answers: hidden,
  },
  'take a name by a Job without labels': {
    plant: (server) => [job({ server, labels: {} })],
    answers: taken,
    mayChange: 'mallory',
  },
  'take a name by a Job of another installation': {
    plant: (server) => [job({ server, labels: { ...OURS, [INSTANCE_LABEL]: 'other', [SERVER]: server } })],
    answers: taken,
    mayChange: 'mallory',
  },
  'take a name by a Job of nobody': {
    plant: (server) => [job({ server, annotations: { [OWNER]: '' } })],
    answers: taken,
    mayChange: 'mallory',
  },
  'take a name by a Secret': {
    plant: (server) => [
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: objectName(server), namespace: MALLORYS },
        stringData: { a: 'b' },
      },
    ],
    answers: { GET: 'server_not_found', DELETE: 'server_not_found', POST: 'namespace_not_ready' },
    mayChange: 'mallory',
  },
  'plant a Job in a foreign namespace': {
    plant: (server) => [namespace('foreign-a'), job({ server, namespace: 'foreign-a' })],
    answers: hidden,
  },
  'plant a Job in the namespace of Kubernetes': {
    plant: (server) => [job({ server, namespace: 'kube-system' })],
    answers: hidden,
  },
  "plant a Job in alice's namespace": {
    plant: (server) => [job({ server, namespace: namespaceOf('alice') })],
    answers: hidden,
  },
  "plant a Job of mallory's in alice's namespace, for alice to see": {
    plant: (server) => [job({ server, namespace: namespaceOf('alice') })],
    as: 'alice',
    answers: hidden,
  },
  'have a second namespace of the own': {
    plant: (server) => [namespace('foreign-b', 'mallory'), job({ server, namespace: 'foreign-b' })],
    answers: hidden,
  },
  "have a second namespace of alice's": {
    plant: (server) => [
      namespace('foreign-c', 'alice'),
      job({ server, namespace: 'foreign-c', owner: 'alice' }),
    ],
    as: 'alice',
    answers: hidden,
  },
  'keep a server in a namespace that has become another one': {
    plant: (server) => [
      namespace(namespaceOf('turncoat'), 'alice'),
      job({ server, namespace: namespaceOf('turncoat'), owner: 'turncoat' }),
    ],
    as: 'turncoat',
    answers: { ...hidden, POST: 'namespace_not_owned' },
  },
  "give the own namespace to alice, with a server of alice's": {
    plant: (server) => [
      namespace(namespaceOf('giver'), 'alice'),
      job({ server, namespace: namespaceOf('giver'), owner: 'alice' }),
    ],
    as: 'alice',
    answers: hidden,
  },
  'describe a Job by something that is no JSON': described('{"python":'),
  'describe a Job by nothing': described(''),
  'describe a Job by null': described('null'),
  'describe a Job by the prototype': described('{"__proto__":{"digest":"0"},"constructor":1}'),
  'describe a Job by lists in lists': described('['.repeat(50_000)),
  'describe a Job by a page': described(
    description({ profile: '<script>alert(1)</script>', python: '"><img src=x>' }),
  ),
  'describe a Job by numbers beyond all numbers': described(
    description({}).replace('"lifetimeSeconds":60', '"lifetimeSeconds":1e308'),
  ),
  'describe a Job by a great life time': described(description({ lifetimeSeconds: Number.MAX_SAFE_INTEGER })),
  'describe a Job by a negative life time': described(description({ lifetimeSeconds: -8.64e15 })),
  'describe a Job by a million replicas': described(description({ replicas: 1e6 })),
  'describe a Job by 100,000 bytes': described(description({ requirements: ['x'.repeat(100_000)] })),
  'have a Job of a million replicas': {
    plant: (server) => [
      job({
        server,
        spec: { suspend: true, completionMode: 'Indexed', completions: 100_000, parallelism: 0 },
      }),
    ],
    answers: { GET: '200', list: '200' },
    listed: true,
  },
  'write a verdict': {
    plant: (server) => [
      job({ server, annotations: { [VERDICT]: '{"code":"__proto__","message":"\\u001b[2J<b>"}' } }),
    ],
    answers: { GET: '200', list: '200' },
    listed: true,
  },
  'write a verdict that is none': {
    plant: (server) => [job({ server, annotations: { [VERDICT]: '[[' } })],
    answers: { GET: '200', list: '200' },
    listed: true,
  },
  'occupy the service account': occupied('ServiceAccount', 'v1', {}, 'admission_refused'),
  'occupy the network policy': occupied('NetworkPolicy', 'networking.k8s.io/v1', {
    spec: { podSelector: {}, policyTypes: ['Egress'], egress: [{}] },
  }),
  'occupy the quota': occupied('ResourceQuota', 'v1', { spec: { hard: { 'count/jobs.batch': '5' } } }),
  'occupy the limit range': occupied('LimitRange', 'v1', {
    spec: { limits: [{ type: 'Container', max: { cpu: '1000' } }] },
  }),
  'weaken the Pod Security Standard of the own namespace': {
    plant: () => [
      namespace(namespaceOf('weakener'), 'weakener', {
        labels: { 'pod-security.kubernetes.io/enforce': 'privileged' },
      }),
    ],
    as: 'weakener',
    answers: { POST: '201' },
    mayChange: 'weakener',
    heals: true,
  },
  'open the network policy of the own namespace': {
    plant: () => [
      namespace(namespaceOf('opener'), 'opener'),
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { name: 'rexec', namespace: namespaceOf('opener'), labels: OURS },
        spec: { podSelector: {}, policyTypes: ['Egress', 'Ingress'], egress: [{}], ingress: [{}] },
      },
    ],
    as: 'opener',
    answers: { POST: '201' },
    mayChange: 'opener',
    heals: true,
  },
})
