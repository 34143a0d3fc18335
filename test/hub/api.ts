/** A hub's API as an administrator of it. */
export interface HubApi {
  /** Asks it; `path` without /hub/api. @throws Error with the answer, unless it is a success */
  admin<T>(path: string, init?: { method?: string; json?: unknown }): Promise<T>
  /** A new token of this user; without `scopes` it may what the user may. */
  token(user: string, options?: { scopes?: string[]; expiresIn?: number }): Promise<string>
}

/** @param token of an administrator */
export function hubApi(apiUrl: string, token: string): HubApi {
  async function admin<T>(path: string, { method = 'GET', json }: { method?: string; json?: unknown } = {}) {
    const answer = await fetch(apiUrl + path, {
      method,
      headers: { authorization: `token ${token}`, 'content-type': 'application/json' },
      ...(json !== undefined && { body: JSON.stringify(json) }),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return (text === '' ? undefined : JSON.parse(text)) as T
  }
  return {
    admin,
    async token(user, { scopes, expiresIn } = {}) {
      const json = { note: 'for a test', scopes, expires_in: expiresIn }
      const path = `/users/${encodeURIComponent(user)}/tokens`
      return (await admin<{ token: string }>(path, { method: 'POST', json })).token
    },
  }
}
