import type { Attack, PlantedAttack, WireAttack } from './attack.ts'
import { envAttacks } from './env.ts'
import { imageAttacks } from './images.ts'
import { jsonAttacks } from './json.ts'
import { post } from './known.ts'
import { labelAttacks } from './labels.ts'
import { nameAttacks } from './names.ts'
import { pathAttacks } from './paths.ts'
import { requirementAttacks } from './requirements.ts'
import { sizeAttacks } from './sizes.ts'
import { smugglingAttacks } from './smuggling.ts'
import { squattingAttacks } from './squatting.ts'
import { tokenAttacks } from './tokens.ts'
import { userAttacks } from './users.ts'

/** What the security model refuses: all of it goes through the service as well. */
const bodies = { requirementAttacks, envAttacks, imageAttacks, nameAttacks, sizeAttacks }

export type Case = WireAttack & Partial<Pick<PlantedAttack, 'plant' | 'deleting' | 'heals'>>

/** All attacks by kind, as bytes for the real service. */
export const corpus: Record<string, Case[]> = {
  requirements: bodies.requirementAttacks.map(sent),
  environment: bodies.envAttacks.map(sent),
  images: bodies.imageAttacks.map(sent),
  names: bodies.nameAttacks.map(sent),
  sizes: bodies.sizeAttacks.map(sent),
  bodies: jsonAttacks,
  'paths and headers': pathAttacks,
  smuggling: smugglingAttacks,
  tokens: tokenAttacks,
  'user names': userAttacks,
  'namespace squatting': squattingAttacks,
  'labels and annotations': labelAttacks,
}

/** As the only thing that is wrong with a request. */
function sent({ tries, request, json, code, http = code }: Attack): Case {
  const body = json ?? JSON.stringify({ python: '3.11', ...request })
  return { tries, send: () => post(body), answers: http }
}

/** Who there must be, beside alice and mallory. */
export const users = Object.values(corpus).flatMap((cases) => cases.flatMap(({ as }) => as ?? []))
