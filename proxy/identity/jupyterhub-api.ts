import { askService, objectOf } from './ask.ts'
import type { JupyterhubSettings } from './settings.ts'

export interface HubAnswer {
  status: number
  /** @throws identity_unavailable when the answer is no JSON object, as from something that is no hub */
  object(): Record<string, unknown>
}

/** Asks the hub's API; `path` begins with a slash. @throws identity_unavailable when there is no answer in time */
export type AskHub = (path: string, options?: { token?: string; accept?: string }) => Promise<HubAnswer>

export function createAskHub(settings: JupyterhubSettings): AskHub {
  return async (path, { token, accept } = {}) => {
    const headers = {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(accept !== undefined && { accept }),
    }
    const answer = await askService(settings.apiUrl + path, { method: 'GET', headers }, settings)
    return { status: answer.status, object: () => objectOf(answer) }
  }
}

/** The texts of a list; empty for anything else. */
export function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}
