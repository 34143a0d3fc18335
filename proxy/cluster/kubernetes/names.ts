import { createHash } from 'node:crypto'

/** Labels and annotations of what rexec makes. Labels select, annotations hold what need not be a label value. */
export const MANAGED_BY = 'app.kubernetes.io/managed-by'
export const INSTANCE = 'app.kubernetes.io/instance'
/** Label of Jobs, pods and Secrets: the server's name. */
export const SERVER = 'rexec.dev/server'
/** Annotation of namespaces and Jobs: the exact name of the user they belong to. */
export const OWNER = 'rexec.dev/owner'
/** Label of namespaces, Jobs and pods: OWNER as a label value, for selectors. */
export const OWNER_HASH = 'rexec.dev/owner-hash'
/** Annotation of Jobs: what the server is, as JSON (description.ts). */
export const DESCRIPTION = 'rexec.dev/description'
/** Annotation of Jobs: why it was ended, as JSON {code, message}; the Job's own condition says less. */
export const VERDICT = 'rexec.dev/verdict'
/** Annotation of namespaces: since when (ISO 8601) no authenticator has known the owner. */
export const VANISHED_SINCE = 'rexec.dev/vanished-since'
/** Annotation of pods, by the Job controller: which replica it is. */
export const COMPLETION_INDEX = 'batch.kubernetes.io/job-completion-index'

export const MANAGER = 'rexec'
/** Name of the service account, NetworkPolicy, ResourceQuota and LimitRange in each namespace. */
export const BASELINE = 'rexec'
/** The containers of a pod. */
export const AGENT = 'agent'
export const WORKER = 'worker'
/** The agent listens here while its server is ready (the kubelet's readiness probe). */
export const READY_PORT = 5561

/** Labels that everything made by this installation carries, and that select it. */
export function ownLabels(instance: string): Record<string, string> {
  return { [MANAGED_BY]: MANAGER, [INSTANCE]: instance }
}

export function selectorOf(labels: Record<string, string>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(',')
}

/** 160 bits of SHA-256 of the exact name, as a label value. */
export function ownerHash(user: string): string {
  return createHash('sha256').update(user).digest('hex').slice(0, 40)
}

/** From here on half of all numbers that Kubernetes takes, far from those of a node's own users. */
const FIRST_USER_ID = 2 ** 30

/**
 * Of all processes of this user's pods. The kernel counts some things for a user id across all pods of a node (inotify
 * instances, pages of pipes, pending signals), so a common one would let a user take them from everybody. Should two users
 * ever get the same, they share those counts and nothing else.
 */
export function userId(user: string): number {
  return FIRST_USER_ID + (createHash('sha256').update(user).digest().readUInt32BE(0) % FIRST_USER_ID)
}

/** Of the Job and its Secret. A server's name is unique in its namespace, so the API server refuses a second one. */
export function objectName(server: string): string {
  return `rexec-${server}`
}
