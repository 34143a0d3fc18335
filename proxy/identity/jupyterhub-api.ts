import { type Answer, ask } from './ask.ts'
import { unavailable } from './authenticator.ts'
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
    const { status, text }: Answer = await ask(settings.apiUrl + path, { method: 'GET', headers }, settings)
    return { status, object: () => parseObject(text) }
  }
}

/** The texts of a list; empty for anything else. */
export function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw unavailable('the answer is not JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw unavailable('the answer is no object')
  }
  return value as Record<string, unknown>
}
