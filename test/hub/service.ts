import type { Test } from 'tap'
import { freePort } from '../support/free-port.ts'
import { startApp, type TestApp } from '../support/test-app.ts'
import { type Hub, type HubOptions, startHub } from './hub.ts'

export interface HubService {
  hub: Hub
  app: TestApp
  /** Asks the service through the hub's proxy; `path` is below its prefix. */
  call(path: string, token: string, init?: { method?: string; json?: unknown }): Promise<HubAnswer>
}

export interface HubAnswer {
  status: number
  body: Record<string, unknown>
  headers: Headers
}

/** Settings of identity for this hub that remember nothing, so that each request is a question to the hub. */
export function identityOf(hub: Hub, others: object = {}): object {
  // The machine may be busy with other tests.
  const jupyterhub = { apiUrl: hub.apiUrl, apiToken: hub.serviceToken, timeoutMilliseconds: 30_000 }
  return { authenticators: ['jupyterhub'], jupyterhub, cacheSeconds: 0, refusedCacheSeconds: 0, ...others }
}

/** A hub, and the whole service with a fake cluster, as the hub's service rexec. */
export async function startHubService(
  t: Test,
  { identity, ...options }: HubOptions & { identity?: object } = {},
): Promise<HubService> {
  const port = await freePort()
  const hub = await startHub(t, { ...options, serviceUrl: `http://127.0.0.1:${port}` })
  const prefix = `${options.baseUrl ?? '/'}services/rexec`
  const app = await startApp(t, {
    port,
    // A hub that goes and comes is noticed at once.
    settings: { prefix, identity: identityOf(hub, identity), limits: { readyAgeSeconds: 0 } },
  })
  return {
    hub,
    app,
    async call(path, token, { method = 'GET', json } = {}) {
      const answer = await fetch(`${hub.url}services/rexec${path}`, {
        method,
        redirect: 'manual',
        headers: {
          authorization: `Bearer ${token}`,
          ...(json !== undefined && { 'content-type': 'application/json' }),
        },
        ...(json !== undefined && { body: JSON.stringify(json) }),
      })
      const text = await answer.text()
      return {
        status: answer.status,
        headers: answer.headers,
        body: text.startsWith('{') ? JSON.parse(text) : {},
      }
    },
  }
}
