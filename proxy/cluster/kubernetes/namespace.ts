import { setTimeout as sleep } from 'node:timers/promises'
import type { V1Namespace } from '@kubernetes/client-node'
import { RexecError } from '../../../common/errors.ts'
import type { Namespace, User } from '../../pipeline.ts'
import { isReserved, namespaceName } from '../../security-model/namespace-name.ts'
import type { NamespaceChange } from '../cluster.ts'
import type { Api } from './api.ts'
import { isAlreadyExists, isConflict, isNoRight, isNotFound } from './api-error.ts'
import { MANAGER, OWNER, OWNER_HASH, ownerHash, ownLabels } from './names.ts'
import type { KubernetesSettings } from './settings.ts'

/** Looks again this often whether a namespace that is being deleted is gone. */
const DELETION_POLL_MS = 250
/** Of changes by others between reading a namespace and writing it; each time it is judged anew. */
const MAX_CONFLICTS = 5

const PSA = 'pod-security.kubernetes.io/'
const RESTRICTED = {
  [`${PSA}enforce`]: 'restricted',
  [`${PSA}enforce-version`]: 'latest',
  [`${PSA}warn`]: 'restricted',
  [`${PSA}audit`]: 'restricted',
}

export interface Namespaces {
  /** @throws namespace_missing in mode given, for a user whom the settings do not name */
  nameOf(user: string): string
  /**
   * Finds the user's namespace, or makes it in mode made, and puts its labels back; `noted` hears of either.
   * @throws namespace_not_owned, namespace_not_ready, namespace_missing, ApiError
   */
  ensure(user: User, noted?: (change: NamespaceChange) => void): Promise<Namespace>
}

export function createNamespaces(api: Api, settings: KubernetesSettings): Namespaces {
  const { mode, prefix, given, deletionSeconds } = settings.namespaces
  const made = mode === 'made'

  function nameOf(user: string): string {
    const name = made ? namespaceName(user, prefix) : Object.hasOwn(given, user) ? given[user]! : undefined
    if (name === undefined) throw new RexecError('namespace_missing')
    // No name can be one of these, nor do the settings let one through; the last thing to rely on others for.
    if (isReserved(name, settings.releaseNamespace)) throw new RexecError('namespace_not_owned')
    return name
  }

  async function read(name: string): Promise<V1Namespace | undefined> {
    try {
      return await api.core.readNamespace({ name })
    } catch (error) {
      if (isNotFound(error)) return undefined
      if (isNoRight(error))
        throw new RexecError('namespace_not_ready', 'rexec may not read it.', { cause: error })
      throw error
    }
  }

  /** The namespace once it is not being deleted any more; undefined when there is none. */
  async function settled(name: string): Promise<V1Namespace | undefined> {
    const deadline = performance.now() + deletionSeconds * 1000
    for (;;) {
      const found = await read(name)
      if (!found || !isLeaving(found)) return found
      if (performance.now() >= deadline) throw new RexecError('namespace_not_ready', 'It is being deleted.')
      await sleep(DELETION_POLL_MS)
    }
  }

  /** Mode made: there is one afterwards that is the user's, with our labels as they should be. */
  async function make(
    name: string,
    owner: string,
    wanted: V1Namespace,
  ): Promise<NamespaceChange | undefined> {
    const found = await settled(name)
    if (!found) {
      await api.create(wanted)
      return { action: 'namespace.make', namespace: name }
    }
    assertOwned(found, owner, settings.instance)
    if (isAsApplied(found, wanted)) return undefined
    const { uid, resourceVersion } = found.metadata!
    // Whoever changes it after this was read, perhaps its owner, makes it a conflict.
    await api.apply({
      ...wanted,
      metadata: { ...wanted.metadata, uid: uid!, resourceVersion: resourceVersion! },
    })
    return hasAll(found, wanted)
      ? undefined
      : { action: 'namespace.restore', namespace: name, object: 'Namespace' }
  }

  return {
    nameOf,

    async ensure({ name: owner }, noted = () => {}) {
      const name = nameOf(owner)
      if (!made) {
        const found = await settled(name)
        if (!found) throw new RexecError('namespace_not_ready', `The namespace "${name}" does not exist yet.`)
        assertOwned(found, owner, settings.instance)
        assertRestricted(found)
        return { name, owner }
      }
      const wanted = wantedNamespace(name, owner, settings)
      for (let conflicts = 0; ; conflicts++) {
        try {
          const change = await make(name, owner, wanted)
          if (change) noted(change)
          return { name, owner }
        } catch (error) {
          // Another proxy was faster, or somebody has just changed or deleted it: what is there is judged anew.
          const changed = isAlreadyExists(error) || isConflict(error) || isNotFound(error)
          if (!changed || conflicts === MAX_CONFLICTS) throw error
        }
      }
    },
  }
}

/** What a namespace of this user carries; beside these labels it may have any. */
function wantedNamespace(
  name: string,
  owner: string,
  { namespaces, instance }: KubernetesSettings,
): V1Namespace {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name,
      labels: { ...namespaces.labels, ...ownLabels(instance), ...RESTRICTED, [OWNER_HASH]: ownerHash(owner) },
      annotations: { ...namespaces.annotations, [OWNER]: owner },
    },
  }
}

const PARTS = ['labels', 'annotations'] as const

/** Nothing that it should carry is missing or different. */
function hasAll({ metadata }: V1Namespace, wanted: V1Namespace): boolean {
  return PARTS.every((part) =>
    Object.entries(wanted.metadata?.[part] ?? {}).every(
      ([name, value]) => metadata?.[part]?.[name] === value,
    ),
  )
}

/** Applying it would change nothing: all is there, and of what was applied before nothing is to be taken away. */
function isAsApplied(found: V1Namespace, wanted: V1Namespace): boolean {
  if (!hasAll(found, wanted)) return false
  const applied = found.metadata?.managedFields?.find(
    ({ manager, operation }) => manager === MANAGER && operation === 'Apply',
  )?.fieldsV1 as { 'f:metadata'?: Record<string, object> } | undefined
  return PARTS.every((part) => {
    const fields = Object.keys(applied?.['f:metadata']?.[`f:${part}`] ?? {}).filter((field) => field !== '.')
    const names = Object.keys(wanted.metadata?.[part] ?? {})
    return fields.length === names.length && names.every((name) => fields.includes(`f:${name}`))
  })
}

function isLeaving({ metadata, status }: V1Namespace): boolean {
  return metadata?.deletionTimestamp !== undefined || status?.phase === 'Terminating'
}

/** All of it must be there: labels select, and the annotation has the exact name. */
function assertOwned({ metadata }: V1Namespace, owner: string, instance: string): void {
  const { name, labels = {}, annotations = {} } = metadata ?? {}
  const wanted = { ...ownLabels(instance), [OWNER_HASH]: ownerHash(owner) }
  const wrong = Object.entries(wanted)
    .filter(([label, value]) => labels[label] !== value)
    .map(([label]) => `label ${label}`)
  if (annotations[OWNER] !== owner) wrong.push(`annotation ${OWNER}`)
  if (wrong.length > 0) {
    throw new RexecError(
      'namespace_not_owned',
      `The namespace "${name}" lacks what proves it: ${wrong.join(', ')}.`,
    )
  }
}

/** Mode given has no right to put it there. */
function assertRestricted({ metadata }: V1Namespace): void {
  const { name, labels = {} } = metadata ?? {}
  if (labels[`${PSA}enforce`] === 'restricted' && (labels[`${PSA}enforce-version`] ?? 'latest') === 'latest')
    return
  throw new RexecError(
    'namespace_not_ready',
    `The namespace "${name}" lacks the label ${PSA}enforce=restricted (version latest).`,
  )
}
