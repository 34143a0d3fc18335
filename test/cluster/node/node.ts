import { join } from 'node:path'
import type { Test } from 'tap'
import { IMAGES, imageStore } from '../images/images.ts'
import { ciliumTools, kubernetesTools } from '../tools.ts'
import { connect } from './cable.ts'
import { linkPlugins, startCilium } from './cilium.ts'
import { startContainerd } from './containerd.ts'
import { ControlPlane, NODE_NAME } from './control-plane.ts'
import { dnsManifest } from './dns.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import { Kubectl } from './kubectl.ts'
import { prepareKubelet, startKubeProxy } from './kubelet.ts'
import { Machine } from './machine.ts'
import { downloadWheels, servePackages } from './package-index.ts'
import { claimSlot, type Slot, sweepSlots } from './slot.ts'

/** A real Kubernetes of one node, whose NetworkPolicies are enforced. */
export interface NodeCluster {
  /** Path of the cluster admin's. */
  kubeconfig: string
  /** Of the API server, for host and pods. */
  url: string
  kubectl(...args: string[]): Promise<string>
  apply(manifest: object | object[]): Promise<void>
  /** The host's address that pods can reach: what a test starts can listen there. */
  hostAddress: string
  /** The node's; NodePorts are there. */
  nodeAddress: string
  podCidr: string
  /** Names of images that the node has (imagePullPolicy: Never): rexec of this checkout, and Python by version. */
  images: { agent: string; pythons: Record<string, string> }
  /** A simple package index (PEP 503) on hostAddress with the wheels that tests need. */
  indexUrl: string
  /** Folder with the output of each program. */
  logs: string
  /** Writes a kubeconfig for somebody else. @returns path */
  kubeconfigFor(subject: Subject): Promise<string>
  restartKubelet(): Promise<void>
  stopKubelet(): Promise<void>
  startKubelet(): Promise<void>
  /** Resolves when the API server answers again. */
  restartApi(): Promise<void>
  /** Ends it; nothing is left of it then. */
  stop(): Promise<void>
}

export type Subject = { serviceAccount: string; namespace: string } | { user: string; groups?: string[] }

export interface NodeOptions {
  /** Requirements with exact versions that the package index has too, with what they depend on. */
  packages?: string[]
}

/** Programs, images and wheels: what can be made beforehand and is kept in the cache. Minutes, once. */
export async function prepareNodeCluster({ packages }: NodeOptions = {}, say?: (line: string) => void) {
  const kubernetes = await kubernetesTools(say)
  const cilium = await ciliumTools(say)
  return { kubernetes, cilium, store: await imageStore(), wheels: await downloadWheels(packages) }
}

/** Starts a cluster of the test's own, which ends with the test; pods can be started when this resolves. */
export async function startNodeCluster(
  t: Pick<Test, 'teardown'>,
  options?: NodeOptions,
): Promise<NodeCluster> {
  const parts = await prepareNodeCluster(options)
  await sweepSlots()
  const slot = await claimSlot()
  const machine = await Machine.start(slot)
  const stop = async () => {
    await machine.end()
    slot.release()
  }
  t.teardown(stop)
  return startNode(machine, slot, parts, stop)
}

type Parts = Awaited<ReturnType<typeof prepareNodeCluster>>

async function startNode(
  machine: Machine,
  slot: Slot,
  { kubernetes, cilium, store, wheels }: Parts,
  stop: () => Promise<void>,
): Promise<NodeCluster> {
  const folders = { networks: join(slot.folder, 'networks'), plugins: join(slot.folder, 'plugins') }
  await connect(machine, slot)
  await linkPlugins(folders, cilium)
  const [plane] = await Promise.all([
    ControlPlane.start(machine, slot, kubernetes),
    startContainerd(machine, slot.folder, store, folders),
  ])
  const kubectl = new Kubectl(join(kubernetes, 'kubectl'), plane.kubeconfig)
  const startKubelet = await prepareKubelet(machine, slot, plane, kubernetes)
  startKubelet()
  await Promise.all([
    startKubeProxy(machine, slot, plane, kubernetes),
    kubectl.run('apply', '--server-side', '-f', join(cilium, 'crds/v2'), '-f', join(cilium, 'crds/v2alpha1')),
    kubectl.apply(dnsManifest(join(kubernetes, 'coredns'))),
    startCilium(machine, slot, plane, cilium, folders),
  ])
  const index = await servePackages(wheels, slot.hostAddress)
  await kubectl.run('wait', '--for=condition=Ready', `node/${NODE_NAME}`, '--timeout=60s')
  await kubectl.run('-n=kube-system', 'rollout', 'status', 'deployment/kube-dns', '--timeout=60s')
  return {
    kubeconfig: plane.kubeconfig,
    url: plane.url,
    kubectl: kubectl.run,
    apply: kubectl.apply,
    hostAddress: slot.hostAddress,
    nodeAddress: slot.nodeAddress,
    podCidr: slot.podCidr,
    images: { agent: IMAGES.agent, pythons: IMAGES.pythons },
    indexUrl: index.url,
    logs: join(slot.folder, 'log'),
    kubeconfigFor: (subject) => kubeconfigFor(subject, plane, kubectl),
    stopKubelet: () => machine.stop('kubelet'),
    async startKubelet() {
      startKubelet()
    },
    async restartKubelet() {
      await machine.stop('kubelet')
      startKubelet()
    },
    restartApi: () => plane.restartApi(),
    async stop() {
      await Promise.all([index.close(), stop()])
    },
  }
}

let made = 0

async function kubeconfigFor(subject: Subject, plane: ControlPlane, kubectl: Kubectl): Promise<string> {
  const file = `subject-${++made}`
  if ('user' in subject) return plane.kubeconfigOf(file, { name: subject.user, groups: subject.groups })
  const { serviceAccount, namespace } = subject
  const token = await kubectl.run('create', 'token', serviceAccount, `--namespace=${namespace}`)
  return writeKubeconfig(join(plane.folder, `${file}.kubeconfig`), {
    url: plane.url,
    authority: plane.authority.certificate,
    user: { token: token.trim() },
  })
}

export { nodeClusterMissing } from './missing.ts'
