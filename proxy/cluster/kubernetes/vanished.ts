import type { V1Namespace } from '@kubernetes/client-node'
import type { Api } from './api.ts'
import { VANISHED_SINCE } from './names.ts'
import type { KubernetesSettings } from './settings.ts'

/** Whether there is a user of this exact name; undefined when nobody can tell. `fresh` is never from memory. */
export type Knows = (user: string, options?: { fresh?: boolean }) => Promise<boolean | undefined>

export interface Vanishing {
  /**
   * Notes since when the owner has been unknown, and takes the note away when the owner is known again.
   * @returns whether the owner counts as vanished by now
   * @throws ApiError
   */
  hasVanished(namespace: V1Namespace, known: boolean | undefined): Promise<boolean>
}

/** So many may leave at once whatever their share: it says nothing where there are but a few. */
const FEW = 4

/**
 * An empty hub, or another one, knows nobody: that so many have really left is less likely. Counted are all who would
 * lose something, not only those whose time has come, since notes are written one after another.
 */
export function areTooMany(unknown: number, known: number, maxShare: number): boolean {
  return unknown > FEW && unknown > maxShare * (unknown + known)
}

/**
 * Mode made: the note is an annotation of the namespace, so that all proxies go by the same, and none forgets. Mode given:
 * rexec may not write to namespaces, so each proxy remembers what it has seen itself.
 */
export function createVanishing(
  api: Pick<Api, 'patch'>,
  { namespaces: { mode, vanishedSeconds } }: Pick<KubernetesSettings, 'namespaces'>,
  now: () => number,
): Vanishing {
  const remembered = new Map<string, string>()

  async function note(namespace: V1Namespace, since: string | undefined): Promise<void> {
    const { name, uid, resourceVersion } = namespace.metadata!
    if (mode === 'made') {
      await api.patch(
        { apiVersion: 'v1', kind: 'Namespace', metadata: { name: name! } },
        { metadata: { uid, resourceVersion, annotations: { [VANISHED_SINCE]: since ?? null } } },
      )
    } else if (since) remembered.set(name!, since)
    else remembered.delete(name!)
  }

  return {
    async hasVanished(namespace, known) {
      const { name, annotations } = namespace.metadata!
      const noted = mode === 'made' ? annotations?.[VANISHED_SINCE] : remembered.get(name!)
      if (known === true && noted !== undefined) await note(namespace, undefined)
      if (known !== false) return false
      const unknownFor = now() - Date.parse(noted ?? '')
      // No note yet, or one that makes no sense: the time begins now.
      if (!(unknownFor >= 0)) await note(namespace, new Date(now()).toISOString())
      return unknownFor >= vanishedSeconds * 1000
    },
  }
}
