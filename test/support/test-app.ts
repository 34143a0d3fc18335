import type { Test } from 'tap'
import { createLogger } from '../../common/logger.ts'
import { createRegistry, type Registry } from '../../common/metrics.ts'
import { checkSettings } from '../../common/settings.ts'
import {
  createSigner,
  createVerifier,
  generateSigningKey,
  type Signer,
  type Verifier,
} from '../../common/tokens.ts'
import { type App, buildApp } from '../../proxy/app.ts'
import { createIdentities, type Identities } from '../../proxy/identity/identities.ts'
import { ProxySettings } from '../../proxy/settings.ts'
import { FakeCluster } from './fake-cluster.ts'

export const ALICE = 'alice-token-0123456789'
export const BOB = 'bob-token-0123456789'
export const BROKER = 'broker-credential-0123456789abcdef0123456789'
/** Settings of identity: two users, of no group. */
export const STATIC = {
  authenticators: ['static'],
  static: {
    users: [
      { name: 'alice', token: ALICE },
      { name: 'bob', token: BOB },
    ],
  },
}
export const FORM = 'application/x-www-form-urlencoded'

export interface TestApp {
  app: App
  /** http://127.0.0.1:PORT, and the same with the prefix. */
  origin: string
  url: string
  cluster: FakeCluster
  signer: Signer
  verify: Verifier
  registry: Registry
  /** The log so far, a parsed line each. */
  log: Record<string, unknown>[]
  /** Below the prefix, with alice's token unless told otherwise; `token: null` sends none. */
  fetch(
    path: string,
    options?: RequestInit & { token?: string | null; json?: unknown; form?: string },
  ): Promise<Response>
}

interface Options {
  settings?: object
  identities?: Pick<Identities, 'authenticate' | 'check'>
  cluster?: FakeCluster
  /** Where it was said to listen. */
  port?: number
  /** Of another proxy, so that both have one signing key. */
  signer?: Signer
}

/** Settings of a proxy with two static users; groups tell alice from bob. */
export function proxySettings(given: object = {}): ProxySettings {
  return checkSettings(ProxySettings, {
    broker: {
      clientAddress: 'tcp://broker.test:5559',
      serverAddresses: ['tcp://127.0.0.1:5560'],
      credential: BROKER,
    },
    identity: {
      authenticators: ['static'],
      static: {
        users: [
          { name: 'alice', token: ALICE, groups: ['/science'] },
          { name: 'bob', token: BOB },
        ],
      },
    },
    ...given,
  })
}

/** The whole service on a free port, with a fake cluster; closed when the test ends. */
export async function startApp(t: Test, options: Options = {}): Promise<TestApp> {
  const settings = proxySettings(options.settings)
  const log: Record<string, unknown>[] = []
  const logger = createLogger('proxy', { destination: { write: (line) => void log.push(JSON.parse(line)) } })
  const registry = createRegistry()
  const signer = options.signer ?? (await createSigner(await generateSigningKey()))
  const verify = createVerifier(signer.publicKeys)
  const cluster = options.cluster ?? new FakeCluster()
  const identities = options.identities ?? createIdentities(settings.identity, { logger, registry })
  const app = await buildApp({ settings, identities, cluster, signer, verify, logger, registry })
  const origin = await app.listen({ host: '127.0.0.1', port: options.port ?? 0 })
  t.teardown(() => app.close())
  const url = origin + settings.prefix
  return {
    app,
    origin,
    url,
    cluster,
    signer,
    verify,
    registry,
    log,
    fetch(path, { token = ALICE, json, form, headers, ...init } = {}) {
      return fetch(url + path, {
        ...init,
        ...(json !== undefined && { body: JSON.stringify(json) }),
        ...(form !== undefined && { body: form }),
        headers: {
          ...(token !== null && { authorization: `Bearer ${token}` }),
          ...(json !== undefined && { 'content-type': 'application/json' }),
          ...(form !== undefined && { 'content-type': FORM }),
          ...(headers as Record<string, string>),
        },
      })
    },
  }
}

/** The body of an answer, for tests that pick fields out of it. */
export async function bodyOf<T>(answer: Response | Promise<Response>): Promise<T> {
  return (await (await answer).json()) as T
}
