import type { V1Pod } from '@kubernetes/client-node'
import { plain, plainSentence } from './plain.ts'
import type { Reason } from './reasons.ts'
import { amount, bytes } from './sizes.ts'

/** Why the scheduler finds no node (condition PodScheduled): what each node lacks, and what the pod asks for. */
export function unschedulable(message: string, pod: V1Pod): Reason {
  const code = 'unschedulable'
  const claim = /persistentvolumeclaim "([^"]*)" not found/.exec(message)?.[1]
  if (claim) {
    const detail = `The volume claim "${plain(claim)}" of its profile does not exist in your namespace.`
    return { code: 'server_failed', detail }
  }
  if (/no nodes available/.test(message)) return { code, detail: `The cluster has no nodes. ${asks(pod)}` }
  const [, total, list] = /^0\/(\d+) nodes are available: (.*)/s.exec(message) ?? []
  if (!total || !list) return { code, detail: plainSentence(`It finds no place: ${message}`, 1000) }
  const why = list
    .replace(/\.? (no new claims to deallocate|preemption: ).*/s, '')
    .replace(/\.$/, '')
    .split(/, (?=\d+ )/)
    .map((item) => lack(item).replace(/^(\d+) /, `$1 of ${total} `))
  return { code, detail: plainSentence(`No node can take it (${why.join(', ')}). ${asks(pod)}`, 1000) }
}

const LACKS: [pattern: RegExp, plain: string][] = [
  [/^(\d+) Insufficient ephemeral-storage$/, '$1 with too little disk free'],
  [/^(\d+) Insufficient (.*)$/, '$1 with too little $2 free'],
  [/^(\d+) Too many pods$/, '$1 with no room for one more pod'],
  [/^(\d+) node\(s\) were unschedulable$/, '$1 closed for new pods'],
  [/^(\d+) node\(s\) didn't match Pod's node affinity\/selector$/, '$1 not of the node pool of the profile'],
  [
    /^(\d+) node\(s\) had untolerated taint \{node\.kubernetes\.io\/(?:unreachable|not-ready).*$/,
    '$1 not answering',
  ],
  [/^(\d+) node\(s\) had untolerated taint \{node\.kubernetes\.io\/(.*?)-pressure.*$/, '$1 short of $2'],
  [/^(\d+) node\(s\) had untolerated taint \{(.*?):? *\}$/, '$1 kept for other work (taint $2)'],
  [/^pod has unbound immediate PersistentVolumeClaims$/, 'a volume claim of its profile has no volume yet'],
  [/^(\d+) node\(s\) didn't find available persistent volumes to bind$/, '$1 without a volume for its claim'],
  [/^(\d+) node\(s\) had volume node affinity conflict$/, '$1 from which its volume cannot be reached'],
  [/^(\d+) node\(s\) exceed max volume count$/, '$1 with no room for one more volume'],
  [/^(\d+) node\(s\) had untolerated taint\(s\)$/, '$1 kept for other work (taints)'],
]

function lack(item: string): string {
  const [pattern, text] = LACKS.find(([known]) => known.test(item)) ?? []
  return pattern ? item.replace(pattern, text!) : item
}

function asks(pod: V1Pod): string {
  const sums = new Map<string, number>()
  for (const { resources } of [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])]) {
    for (const [name, quantity] of Object.entries(resources?.requests ?? {}))
      sums.set(name, (sums.get(name) ?? 0) + amount(quantity))
  }
  const parts = [...sums].filter(([, sum]) => sum > 0).map(([name, sum]) => `${shown(name, sum)}`)
  return parts.length > 0 ? `It asks for ${parts.join(', ')}.` : ''
}

function shown(name: string, sum: number): string {
  if (name === 'cpu') return `${sum} ${sum === 1 ? 'core' : 'cores'}`
  if (name === 'memory') return `${bytes(sum)} of memory`
  if (name === 'ephemeral-storage') return `${bytes(sum)} of disk`
  return `${sum} ${name}`
}
