/**
 * The types of the pipeline, each step's input being the step before's output (docs/architecture.md):
 *
 *   token -> authenticate (plugins/authenticate.ts, identity/)  -> User
 *   User -> authorize (authorize.ts)                            -> Grant
 *   body -> validate (schemas.ts; forms: routes/rexec/form.ts)  -> ServerRequest
 *   Grant, ServerRequest -> approve (security-model/approve.ts) -> ApprovedServer
 *   User -> ensureNamespace (cluster/)                          -> Namespace
 *   Namespace, ApprovedServer -> start (cluster/)               -> ServerStatus
 *
 * The last three are put together in servers.ts. Each step can end the request with a code of common/errors.ts.
 */

import type { PodSettings } from './security-model/pod-settings.ts'

/** Who sent the request, proven by a token. `name` is the exact name the authenticator gave. */
export interface User {
  name: string
  groups: string[]
  /** Which authenticator proved it. */
  authenticator: string
}

/** A user who may use this service, and the profiles open to them. Made by authorize() alone. */
export interface Grant {
  user: User
  profiles: Profile[]
  /** The allowed group that let the user in, if a group did. */
  group: string | undefined
}

/** What an admin offers. CPU in cores, memory and disk in bytes, times in seconds. */
export interface Profile {
  name: string
  description: string
  /** Python version -> interpreter (local) or image (Kubernetes). */
  pythons: Record<string, string>
  /** Groups that may use it; empty means everybody. */
  groups: string[]
  cpu: Bounds
  memory: Bounds
  gpu: Bounds
  replicas: Bounds
  lifetimeSeconds: Bounds
  idleSeconds: Bounds
  concurrency: Bounds
  /** Patterns of the images that a request may name; whether they must be pinned by digest. */
  images: string[]
  imagesByDigest: boolean
  pod: PodSettings
}

export interface Bounds {
  default: number
  min: number
  max: number
}

export interface Resources {
  cpu: number
  memory: number
  gpu: number
}

/** A body of POST /api/v1/servers that fits its schema; nothing in it has been approved yet. */
export interface ServerRequest {
  name?: string
  profile?: string
  python?: string
  /** Instead of the profile's image for this Python version; one of the profile's `images`. */
  image?: string
  requirements?: string[]
  env?: Record<string, string>
  resources?: Partial<Resources>
  replicas?: number
  lifetimeSeconds?: number
  idleSeconds?: number
  concurrency?: number
  /** Replace a running server that has another environment. */
  replace?: boolean
}

/** The one Kubernetes namespace of a user (local: a folder). */
export interface Namespace {
  name: string
  owner: string
}

export type Phase = 'pending' | 'starting' | 'installing' | 'ready' | 'stopping' | 'stopped' | 'failed'

/** What GET /api/v1/servers/{name} shows. */
export interface ServerStatus {
  name: string
  user: string
  phase: Phase
  /** A sentence for the user: progress, or why it failed. */
  message: string
  /** Error code when failed, or stopping for a reason that is known. */
  code?: string
  profile: string
  python: string
  requirements: string[]
  resources: Resources
  replicas: number
  concurrency: number
  environmentDigest: string
  /** ApprovedServer.digest: a request with the same one uses this server again. */
  digest: string
  /** ISO 8601. */
  createdAt: string
  expiresAt: string
}
