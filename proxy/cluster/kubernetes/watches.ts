import type { KubernetesObject } from '@kubernetes/client-node'
import { Informer, type InformerOptions } from './informer.ts'

/** One watch for the whole cluster, or, without rights there, one for each given namespace. */
export class Watches<Raw extends KubernetesObject, Kept extends KubernetesObject> {
  /** By namespace; undefined stands for all. */
  readonly #informers: ReadonlyMap<string | undefined, Informer<Raw, Kept>>

  /** @param namespaces that are watched; undefined for the whole cluster */
  constructor(
    namespaces: readonly string[] | undefined,
    options: (namespace: string | undefined) => InformerOptions<Raw, Kept>,
  ) {
    const scopes = namespaces ?? [undefined]
    this.#informers = new Map(scopes.map((scope) => [scope, new Informer(options(scope))]))
  }

  get informers(): Iterable<Informer<Raw, Kept>> {
    return this.#informers.values()
  }

  in(namespace: string): Kept[] {
    return [...(this.#of(namespace)?.in(namespace) ?? [])]
  }

  get(namespace: string, name: string): Kept | undefined {
    return this.#of(namespace)?.get(namespace, name)
  }

  *all(): Iterable<Kept> {
    for (const informer of this.informers) yield* informer.all()
  }

  put(object: Raw): void {
    this.#of(object.metadata!.namespace!)?.put(object)
  }

  /** Since when changes in this namespace are not heard of; undefined while they are. */
  deafSince(namespace: string): number | undefined {
    return this.#of(namespace)?.deafSince
  }

  close(): void {
    for (const informer of this.informers) informer.close()
  }

  #of(namespace: string): Informer<Raw, Kept> | undefined {
    return this.#informers.get(undefined) ?? this.#informers.get(namespace)
  }
}

/** The path of a list: pathOf('/api/v1', undefined, 'pods') -> "/api/v1/pods". */
export function pathOf(group: string, namespace: string | undefined, resource: string): string {
  return namespace === undefined ? `${group}/${resource}` : `${group}/namespaces/${namespace}/${resource}`
}
