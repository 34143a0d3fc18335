import type { Answer } from './answers.ts'
import type { Case } from './corpus.ts'
import { namespaceOf } from './known.ts'
import { changesBetween, keyOf, type Listing, type Scene } from './scene.ts'

/** What came of an attack. */
export interface Outcome {
  kind: string
  tries: string
  expected: string
  /** Codes or statuses of the answers. */
  got: string
  /** Objects that were made, removed or changed although the attack may not. */
  changed: string[]
  /** How many others did so, which it may. */
  own: number
  /** What an answer held although it is not the sender's to see. */
  leaked: boolean
}

/** What the last outcome of a kind is called. */
export const CONCLUSION = '(and afterwards everything is as it was)'

export const isAsExpected = ({ expected, got, changed, leaked }: Outcome): boolean =>
  got === expected && changed.length === 0 && !leaked

type Changes = Pick<Outcome, 'changed' | 'own'>

/** Tries all, one after another. What the attacks of a kind want planted lies there before the first of them. */
export async function runAttacks(
  scene: Scene,
  attacks: Record<string, Case[]>,
  onOutcome: (outcome: Outcome) => void,
): Promise<void> {
  for (const [kind, cases] of Object.entries(attacks)) {
    const field = new Field(scene, await plant(scene, cases), await scene.settled())
    for (const attack of cases) onOutcome({ kind, ...(await field.attempt(attack)) })
    onOutcome({ kind, ...(await field.conclude()) })
  }
}

/** Several attacks may be made upon one object. @returns keys of the objects */
async function plant(scene: Scene, cases: Case[]): Promise<Set<string>> {
  const objectsOf = (cases: Case[]) =>
    new Map(cases.flatMap(({ plant = [] }) => plant.map((object) => [keyOf(object), object])))
  const planted = objectsOf(cases)
  await scene.create([...planted.values()])
  await scene.remove([...objectsOf(cases.filter(({ deleting }) => deleting)).values()])
  return new Set(planted.keys())
}

/** The cluster as it was before the next attack. */
class Field {
  readonly #scene: Scene
  readonly #planted: Set<string>
  #before: Listing
  #revision = ''
  /** Whatever belongs to these namespaces may still be changing because of an earlier attack. */
  readonly #moving = new Set<string>()

  constructor(scene: Scene, planted: Set<string>, before: Listing) {
    this.#scene = scene
    this.#planted = planted
    this.#before = before
  }

  async attempt(attack: Case): Promise<Omit<Outcome, 'kind'>> {
    const { tries, answers: expected, send } = attack
    const scene = this.#scene
    const answers = await scene.send(send(scene.known)).catch((error: Error) => error)
    const changes = await this.#changesBy(attack)
    if (answers instanceof Error) return { tries, expected, got: answers.message, ...changes, leaked: false }
    const got = answers.map(({ status, code }) => code ?? status).join(' ')
    return { tries, expected, got, ...changes, leaked: this.#leaks(attack, answers) }
  }

  /** Whatever has changed once all is quiet again and none of the attacks may change. */
  async conclude(): Promise<Omit<Outcome, 'kind'>> {
    const changes = this.#compare(await this.#scene.settled(), [])
    const got = 'unchanged'
    return { tries: CONCLUSION, expected: got, got, ...changes, leaked: false }
  }

  /** The API server counts every write, so as long as the count is the same nothing needs to be listed. */
  async #changesBy({ mayChange, plant = [], heals }: Case): Promise<Changes> {
    if (mayChange !== undefined) this.#moving.add(namespaceOf(mayChange))
    const revision = await this.#scene.revision()
    if (revision === this.#revision) return { changed: [], own: 0 }
    this.#revision = revision
    return this.#compare(await this.#scene.listing(), heals ? plant.map(keyOf) : [])
  }

  #compare(after: Listing, healed: string[]): Changes {
    const changes = changesBetween(this.#before, after)
    this.#before = after
    const changed = changes.filter((key) => {
      const [kind, where, name] = key.split('/') as [string, string, string]
      if (healed.includes(key)) return false
      if (this.#planted.has(key) && kind !== 'Namespace') return true
      return !this.#moving.has(kind === 'Namespace' ? name : where)
    })
    return { changed, own: changes.length - changed.length }
  }

  /** Alice may read what is hers. */
  #leaks({ as, hides }: Case, answers: Answer[]): boolean {
    const text = answers.map(({ body }) => body).join('\n')
    const secrets = as === 'alice' ? [] : this.#scene.secrets
    return [...secrets, ...(hides ? [hides] : [])].some((secret) => text.includes(secret))
  }
}
