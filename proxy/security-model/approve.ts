import type { Grant, Resources, ServerRequest } from '../pipeline.ts'

declare const approved: unique symbol

/** A server that the security model has approved. Nobody but this module can make one. */
export interface ApprovedServer {
  readonly [approved]: true
  readonly user: string
  readonly name: string
  readonly profile: string
  readonly python: string
  /** Interpreter (local) or image (Kubernetes) of the profile for this Python version. */
  readonly interpreter: string
  readonly requirements: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly resources: Readonly<Resources>
  readonly replicas: number
  readonly lifetimeSeconds: number
  readonly idleSeconds: number
  readonly concurrency: number
  /** SHA-256 (hex) over Python version and sorted requirements: names the installed environment. */
  readonly environmentDigest: string
  /** SHA-256 (hex) over everything above: equal means that a running server can be used again. */
  readonly digest: string
}

export declare function approveServer(grant: Grant, request: ServerRequest): ApprovedServer
