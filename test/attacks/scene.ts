import type { KubernetesObject } from '@kubernetes/client-node'
import { createLogger } from '../../common/logger.ts'
import { createRegistry } from '../../common/metrics.ts'
import { checkSettings } from '../../common/settings.ts'
import { createSigner, createVerifier, generateSigningKey } from '../../common/tokens.ts'
import { buildApp } from '../../proxy/app.ts'
import { connect } from '../../proxy/cluster/kubernetes/api.ts'
import { createKubernetesCluster } from '../../proxy/cluster/kubernetes/kubernetes.ts'
import { createIdentities } from '../../proxy/identity/identities.ts'
import { ProxySettings } from '../../proxy/settings.ts'
import type { ApiServer } from '../cluster/api-server.ts'
import { proxyRights } from '../support/chart.ts'
import { sendRaw } from '../support/raw-http.ts'
import { type Answer, answersIn } from './answers.ts'
import { ALICES_SECRET, ALICES_SERVER, INSTANCE, type Known, namespaceOf, post, tokenOf } from './known.ts'
import { IMAGES } from './random.ts'

const CREDENTIAL = 'credential-of-the-broker-0123456789abcdef'
/** So long nothing has to change until the cluster counts as settled, in milliseconds. */
const QUIET = 300

export type Listing = Map<string, unknown>

/** The real service, with the rights that it has in a cluster, on a real API server, and two users of it. */
export interface Scene {
  known: Known
  /** Sends bytes and cuts what comes back into answers. */
  send(bytes: string | Buffer): Promise<Answer[]>
  /** As cluster admin. */
  create(objects: object[]): Promise<void>
  /** Deletes namespaces that have finalizers; resolves when nothing but these holds them. */
  remove(namespaces: object[]): Promise<void>
  /** Everything there is, once nothing changes by itself any more. */
  settled(): Promise<Listing>
  listing(): Promise<Listing>
  /** Equal when nothing at all was written in between. */
  revision(): Promise<string>
  /** What belongs to others than mallory, so that no answer to her may hold it. */
  secrets: string[]
  /** All that the service has logged. */
  log(): string
  close(): Promise<void>
}

/** @param users who else there is beside alice and mallory */
export async function openScene(server: ApiServer, users: readonly string[]): Promise<Scene> {
  await server.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'rexec' } })
  await server.apply(await proxyRights('account', 'cluster', 'policies'))
  const kubeconfig = await server.kubeconfigFor({ serviceAccount: 'rexec-proxy', namespace: 'rexec' })

  const log: string[] = []
  const logger = createLogger('proxy', { destination: { write: (line) => void log.push(line) } })
  const registry = createRegistry()
  const settings = settingsFor(kubeconfig, users)
  const key = await generateSigningKey()
  const signer = await createSigner(key)
  const cluster = await createKubernetesCluster({
    settings: settings.cluster.kubernetes,
    brokers: settings.broker.serverAddresses,
    logger,
    registry,
  })
  const identities = createIdentities(settings.identity, { logger, registry })
  const verify = createVerifier(signer.publicKeys)
  const app = await buildApp({ settings, identities, cluster, signer, verify, logger, registry })
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  const admin = connect({ kubeconfig: server.kubeconfig, requestSeconds: 10 }, createRegistry())
  const listing = async () =>
    new Map([...(await server.listing())].map(([key, entry]) => [key, still(key, entry)]))
  const send = async (bytes: string | Buffer) => answersIn(Buffer.from(await sendRaw(origin, bytes)))

  async function settled(): Promise<Listing> {
    for (let before = await listing(); ; ) {
      await new Promise((resolve) => setTimeout(resolve, QUIET))
      const after = await listing()
      if (changesBetween(before, after).length === 0) return after
      before = after
    }
  }

  const tokensOf = async (kind: 'exec' | 'server') => {
    const sign = async (user: string) =>
      (await signer.sign(kind, { user, server: ALICES_SERVER }, 3600)).token
    return { alice: await sign('alice'), mallory: await sign('mallory') }
  }

  await until(() => cluster.check())
  const [started] = await send(
    post({ python: '3.12', name: ALICES_SERVER, env: { SECRET: ALICES_SECRET } }, 'alice'),
  )
  const [own] = await send(post({ python: '3.12', name: 'own' }))
  if (started?.status !== 201 || own?.status !== 201) {
    throw new Error(`the scene could not be set: ${started?.body} ${own?.body}`)
  }
  const { server: alices, token } = JSON.parse(started.body)
  const [exec, credentials] = [await tokensOf('exec'), await tokensOf('server')]
  return {
    known: {
      credential: CREDENTIAL,
      exec,
      server: credentials,
      key: key as Known['key'],
      otherKey: (await generateSigningKey()) as Known['key'],
    },
    send,
    create: async (objects) => {
      for (const object of objects) await admin.create(object as KubernetesObject)
    },
    async remove(namespaces) {
      for (const namespace of namespaces) await admin.remove(namespace as KubernetesObject)
      await until(async () => {
        const there = await listing()
        if (!namespaces.every((namespace) => isHollow(there.get(keyOf(namespace)))))
          throw new Error('not yet')
      })
    },
    settled,
    listing,
    revision: async () => (await admin.core.listNamespace({ limit: 1 })).metadata!.resourceVersion!,
    secrets: [
      ...[ALICES_SECRET, ALICES_SERVER, alices.digest, namespaceOf('alice'), tokenOf('alice'), token],
      ...[CREDENTIAL, exec.alice, credentials.alice, key.d!],
    ],
    log: () => log.join(''),
    async close() {
      await app.close()
      await cluster.close()
      await admin.close()
    },
  }
}

function settingsFor(kubeconfig: string, users: readonly string[]): ProxySettings {
  const all = [...new Set(['alice', 'mallory', ...users])]
  return checkSettings(ProxySettings, {
    broker: {
      clientAddress: 'tcp://broker.test:5559',
      serverAddresses: ['tcp://broker.test:5560'],
      credential: CREDENTIAL,
    },
    limits: { headersSeconds: 2, requestSeconds: 2, keepAliveSeconds: 2, serversPerUser: 1000 },
    identity: {
      authenticators: ['static'],
      static: { users: all.map((name) => ({ name, token: tokenOf(name) })) },
    },
    securityModel: {
      profiles: [
        { name: 'default', images: [IMAGES] },
        { name: 'staff', groups: ['staff'] },
      ],
    },
    cluster: {
      kind: 'kubernetes',
      kubernetes: {
        kubeconfig,
        instance: INSTANCE,
        namespaces: { deletionSeconds: 1 },
        // Room for all that is planted in one namespace.
        quota: { 'count/jobs.batch': '1000' },
        // What ends by itself would look like something that an attack has changed.
        ...{ startSeconds: 3600, unschedulableSeconds: 3600, readySeconds: 3600, reconcileSeconds: 3600 },
      },
    },
  })
}

/** A namespace that is being deleted, once Kubernetes has taken away what was in it. */
const isHollow = (entry: unknown) => {
  const { object } = entry as { object: { spec: { finalizers?: string[] } } }
  return (object.spec.finalizers ?? []).length === 0
}

/** As the listing has it. */
export function keyOf(object: object): string {
  const { kind, metadata } = object as { kind: string; metadata: { namespace?: string; name: string } }
  return `${kind}/${metadata.namespace ?? ''}/${metadata.name}`
}

/** Keys of what was made, removed or changed. */
export function changesBetween(before: Listing, after: Listing): string[] {
  const keys = new Set([...before.keys(), ...after.keys()])
  return [...keys].filter((key) => JSON.stringify(before.get(key)) !== JSON.stringify(after.get(key)))
}

/** What a quota counts, Kubernetes writes a while after what it counts. */
function still(key: string, entry: unknown): unknown {
  if (!key.startsWith('ResourceQuota/')) return entry
  const { uid, object } = entry as { uid: string; object: { status: unknown } }
  return { uid, object: { ...object, status: undefined } }
}

async function until(check: () => Promise<unknown>): Promise<void> {
  const deadline = Date.now() + 120_000
  for (;;) {
    try {
      await check()
      return
    } catch (error) {
      if (Date.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}
