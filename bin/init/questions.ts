import { version } from '../../common/version.ts'
import { isUserName } from '../../proxy/identity/authenticator.ts'
import {
  LABEL,
  listOf,
  matching,
  NONE,
  oneOf,
  orNone,
  quantityFrom,
  Refusal,
  readAddress,
  readUrl,
} from './readers.ts'

/** What an admin has said, by the dotted names of the questions. */
export interface Answers {
  'hub.kind': 'z2jh' | 'other'
  /** Empty: the hub runs outside the cluster. */
  'hub.namespace': string
  'hub.release': string
  /** With a slash at the end; empty: not known. */
  'hub.publicUrl': string
  'hub.apiUrl': string
  'hub.serviceUrl': string
  serviceName: string
  namespace: string
  'image.repository': string
  'image.tag': string
  'broker.reach': 'inside' | 'nodeport' | 'loadbalancer'
  'broker.nodePort': number
  /** tcp://HOST:PORT; empty: not known yet. */
  'broker.externalAddress': string
  'rbac.mode': 'cluster' | 'namespaces'
  'rbac.users': string[]
  'access.groups': string[]
  'profile.pythons': string[]
  'profile.cpu': string
  'profile.memory': string
  'network.internet': boolean
}

export type Name = keyof Answers
/** The answers so far. */
export type Known = Partial<Answers>

export interface Question<N extends Name = Name> {
  name: N
  text: string
  /** Left out, it needs an answer. As it would be typed. */
  fallback?(known: Known): string | undefined
  /** Left out, it is always asked. */
  isAsked?(known: Known): boolean
  /** @throws Refusal */
  read(text: string, known: Known): Answers[N]
}

function question<N extends Name>(question: Question<N>): Question {
  return question as unknown as Question
}

const isCluster = (known: Known) => known['hub.namespace'] !== ''
const basePath = (known: Known) => new URL(known['hub.publicUrl'] || 'http://hub/').pathname

/** In the order in which they are asked. */
export const QUESTIONS: readonly Question[] = [
  question({
    name: 'hub.kind',
    text: 'Which JupyterHub is it: z2jh (zero-to-jupyterhub, on Kubernetes) or other',
    fallback: () => 'z2jh',
    read: oneOf('z2jh', 'other'),
  }),
  question({
    name: 'hub.namespace',
    text: 'In which namespace does the hub run ("-": not in this cluster)',
    fallback: (known) => (known['hub.kind'] === 'z2jh' ? 'jhub' : undefined),
    read: (text, known) => {
      if (text !== NONE) return matching(LABEL, 'Give the name of a namespace: a-z, 0-9 and "-".')(text)
      if (known['hub.kind'] !== 'z2jh') return ''
      throw new Refusal('For a zero-to-jupyterhub of another cluster, answer "other" to the first question.')
    },
  }),
  question({
    name: 'hub.release',
    text: 'What is its Helm release called',
    isAsked: (known) => known['hub.kind'] === 'z2jh',
    fallback: () => 'jupyterhub',
    read: matching(LABEL, 'Give the name of a release: a-z, 0-9 and "-".'),
  }),
  question({
    name: 'hub.publicUrl',
    text: 'Where do browsers find the hub, with its base_url ("-": not known yet)',
    fallback: (known) => (known['hub.kind'] === 'z2jh' ? NONE : undefined),
    read: (text, known) => {
      if (text === NONE) {
        if (known['hub.kind'] === 'z2jh') return ''
        throw new Refusal('Notebooks are told this address, so it must be known.')
      }
      const url = readUrl(text).replace(/\/*$/, '/')
      if (/^(\/[\w.~-]*[\w~-])*\/$/.test(new URL(url).pathname)) return url
      throw new Refusal('The path of the address has characters that a base_url cannot have.')
    },
  }),
  question({
    name: 'hub.apiUrl',
    text: "Where does a pod of this cluster find the hub's API",
    fallback: (known) =>
      known['hub.kind'] === 'z2jh'
        ? `http://hub.${known['hub.namespace']}:8081${basePath(known)}hub/api`
        : undefined,
    read: (text) => {
      const url = readUrl(text).replace(/\/+$/, '')
      if (url.endsWith('/hub/api')) return url
      throw new Refusal('It ends in /hub/api, such as http://hub.example.org:8081/hub/api.')
    },
  }),
  question({
    name: 'serviceName',
    text: 'What shall the hub call the service (/services/NAME)',
    fallback: () => 'rexec',
    read: matching(/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/, 'Use a-z, 0-9 and "-", 32 characters at most.'),
  }),
  question({
    name: 'namespace',
    text: 'In which namespace shall rexec run',
    fallback: (known) => (known['hub.kind'] === 'z2jh' && known['hub.namespace']) || 'rexec',
    read: (text) => {
      if (LABEL.test(text) && !text.startsWith('kube-') && text !== 'default') return text
      throw new Refusal('Give the name of a namespace (a-z, 0-9 and "-"), not default and none of kube-.')
    },
  }),
  question({
    name: 'hub.serviceUrl',
    text: "Where does the hub's proxy find rexec",
    isAsked: (known) => known['hub.kind'] === 'other',
    fallback: (known) => (isCluster(known) ? `http://rexec-proxy.${known.namespace}:80` : undefined),
    read: (text) => readUrl(text).replace(/\/+$/, ''),
  }),
  question({
    name: 'image.repository',
    text: 'Which image of rexec, with its registry, without tag',
    fallback: () => 'rexec',
    read: matching(/^[a-z0-9]([\w.:/-]*[a-z0-9])?$/, 'Such as registry.example.org/rexec.'),
  }),
  question({
    name: 'image.tag',
    text: 'Which tag of it',
    fallback: () => version,
    read: matching(/^\w[\w.-]{0,127}$/, 'Such as 1.2.3.'),
  }),
  question({
    name: 'broker.reach',
    text: 'How do users reach the broker: inside (notebooks in the cluster alone), nodeport or loadbalancer',
    fallback: () => 'inside',
    read: oneOf('inside', 'nodeport', 'loadbalancer'),
  }),
  question({
    name: 'broker.nodePort',
    text: 'Which port of the nodes (30000 to 32767)',
    isAsked: (known) => known['broker.reach'] === 'nodeport',
    fallback: () => '30559',
    read: (text) => {
      const port = Number(text)
      if (Number.isInteger(port) && port >= 30_000 && port <= 32_767) return port
      throw new Refusal('Give a number from 30000 to 32767.')
    },
  }),
  question({
    name: 'broker.externalAddress',
    text: 'Where do clients outside the cluster reach the broker, HOST:PORT ("-": not known yet)',
    isAsked: (known) => known['broker.reach'] !== 'inside',
    fallback: () => NONE,
    read: orNone(readAddress, ''),
  }),
  question({
    name: 'rbac.mode',
    text: 'Who makes the namespaces of users: cluster (rexec does) or namespaces (you do; rexec has rights in those alone)',
    fallback: () => 'cluster',
    read: oneOf('cluster', 'namespaces'),
  }),
  question({
    name: 'rbac.users',
    text: 'For which users, with commas between',
    isAsked: (known) => known['rbac.mode'] === 'namespaces',
    read: (text) => {
      const users = listOf((user) => {
        if (isUserName(user)) return user
        throw new Refusal(`${JSON.stringify(user)} cannot be the name of a user.`)
      })(text)
      if (users.length > 0) return users
      throw new Refusal('Name at least one user.')
    },
  }),
  question({
    name: 'access.groups',
    text: 'Which groups of the hub may use rexec, with commas between ("-": every user of the hub)',
    fallback: () => NONE,
    read: orNone(
      listOf(matching(/^[^'"\\\p{C}]{1,255}$/u, 'Names of groups, without quotes.')),
      [] as string[],
    ),
  }),
  question({
    name: 'profile.pythons',
    text: 'Which versions of Python, with commas between',
    fallback: () => '3.10, 3.11, 3.12, 3.13',
    read: (text) => {
      const pythons = listOf(matching(/^3\.(9|[1-9][0-9])$/, 'Such as 3.11, 3.12; from 3.9 on.'))(text)
      if (pythons.length > 0) return pythons
      throw new Refusal('Name at least one version, such as 3.12.')
    },
  }),
  question({
    name: 'profile.cpu',
    text: 'How many cores may a server ask for',
    fallback: () => '4',
    read: quantityFrom('100m', '4 or 500m'),
  }),
  question({
    name: 'profile.memory',
    text: 'How much memory may a server ask for',
    fallback: () => '8Gi',
    read: quantityFrom('128Mi', '8Gi or 512Mi'),
  }),
  question({
    name: 'network.internet',
    text: 'May functions reach the internet: yes or no',
    fallback: () => 'yes',
    read: (text) => ['yes', 'true'].includes(oneOf('yes', 'no', 'true', 'false')(text)),
  }),
]
