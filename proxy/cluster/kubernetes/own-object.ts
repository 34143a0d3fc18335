import type { KubernetesObject } from '@kubernetes/client-node'
import { RexecError } from '../../../common/errors.ts'
import type { Api } from './api.ts'
import { isConflict, isImmutable, isNotFound, isPolicyRefusal } from './api-error.ts'
import { ownLabels } from './names.ts'

/** Objects in a user's namespace that bear a name of ours. One that this installation has not made is left alone. */
export interface OwnObjects {
  /** As it is there; undefined when there is none that is ours. */
  find<T extends KubernetesObject>(object: T): Promise<T | undefined>
  /**
   * Makes it as it is written, whatever others have changed or added; resolves with whether they had.
   * @throws namespace_not_ready when somebody else has made an object of this name
   */
  put(object: KubernetesObject): Promise<boolean>
  /** Resolves when there is none (any more) that is ours. */
  remove(object: KubernetesObject): Promise<void>
}

/** Whether this installation has made it. */
export function isOurs({ metadata }: KubernetesObject, instance: string): boolean {
  return Object.entries(ownLabels(instance)).every(([name, value]) => metadata?.labels?.[name] === value)
}

export function createOwnObjects(api: Api, instance: string): OwnObjects {
  /**
   * The object as it is, if it is ours. There is no right to read what is only written (RBAC, helm/rexec); a patch that
   * changes nothing answers with the object.
   */
  async function find<T extends KubernetesObject>(object: T): Promise<T | undefined> {
    try {
      const found = await api.patch(object, {})
      return isOurs(found, instance) ? found : undefined
    } catch (error) {
      // The admission policy refuses even this for what does not carry our labels.
      if (isNotFound(error) || isPolicyRefusal(error)) return undefined
      throw error
    }
  }

  async function remove(object: KubernetesObject): Promise<void> {
    const found = await find(object)
    if (!found) return
    const { name, namespace, uid } = found.metadata!
    await api.remove({ ...object, metadata: { name, namespace: namespace!, uid: uid! } }).catch((error) => {
      // Gone, or another one by now.
      if (!isNotFound(error) && !isConflict(error)) throw error
    })
  }

  return {
    find,

    async put(object) {
      let restored = false
      const made = await api.apply(object, { force: false }).catch(async (error) => {
        const taken = isConflict(error) || isImmutable(error)
        if (!taken && !isPolicyRefusal(error)) throw error
        // Somebody has changed our fields, or it is not ours at all.
        if (!(await find(object))) throw taken ? notOurs(object) : error
        restored = true
        return api.apply(object).catch(async (error) => {
          if (!isImmutable(error)) throw error
          await remove(object)
          return api.apply(object)
        })
      })
      const surplus = beyond(made, object)
      if (surplus) await api.patch(object, surplus)
      return restored || surplus !== undefined
    },

    remove,
  }
}

/** A name of ours is taken. */
export function notOurs({ kind, metadata }: KubernetesObject): RexecError {
  return new RexecError(
    'namespace_not_ready',
    `It holds a ${kind} "${metadata!.name}" that rexec has not made and that must go first.`,
  )
}

/** What the object has in its spec beyond what it should have, as a merge patch that takes it away. */
function beyond(made: object, wanted: object): object | undefined {
  const [actual, expected] = [specOf(made), specOf(wanted)]
  const spec = surplus(actual, expected)
  return spec && { spec }
}

const specOf = (object: object): unknown => ('spec' in object ? object.spec : undefined)
const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Lists are put back as a whole by the apply itself. */
function surplus(actual: unknown, wanted: unknown): Record<string, unknown> | undefined {
  if (!isMap(actual) || !isMap(wanted)) return undefined
  const entries = Object.entries(actual)
    .map(([key, value]) => [key, Object.hasOwn(wanted, key) ? surplus(value, wanted[key]) : null] as const)
    .filter(([, value]) => value !== undefined)
  return entries.length > 0 ? Object.fromEntries(entries) : undefined
}
