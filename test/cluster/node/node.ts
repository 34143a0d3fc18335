import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { IMAGES, imageStore, type Store, withImages } from '../images/images.ts'
import type { Image } from '../images/oci.ts'
import { ciliumTools, kubernetesTools } from '../tools.ts'
import { connect } from './cable.ts'
import { linkPlugins, resourceDefinitions, startCilium } from './cilium.ts'
import { startContainerd } from './containerd.ts'
import { ControlPlane, NODE_NAME } from './control-plane.ts'
import { dnsManifest } from './dns.ts'
import { givenCluster, useCluster } from './given.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import { Kubectl } from './kubectl.ts'
import { prepareKubelet, startKubeProxy } from './kubelet.ts'
import { Machine } from './machine.ts'
import { downloadWheels, servePackages } from './package-index.ts'
import { claimSlot, type Slot, sweepSlots } from './slot.ts'

export { nodeClusterMissing } from './missing.ts'

/** A real Kubernetes of one node, whose NetworkPolicies are enforced. */
export interface NodeCluster {
  /** It is somebody's own (REXEC_TEST_KUBECONFIG): there may be more on it, and it cannot be stopped. */
  given: boolean
  /** Path of the cluster admin's. */
  kubeconfig: string
  /** Of the API server, for host and pods. */
  url: string
  /** @returns its stdout @throws Error with its stderr */
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
  /** Images that the node has beside the usual ones, such as pythonImage() makes. */
  images?: Image[]
}

interface Parts {
  /** Folders of programs, images and wheels. */
  kubernetes: string
  cilium: string
  store: Store
  wheels: string
}

type Defer = (end: () => unknown) => void

/** What can be made beforehand and is kept in the cache: programs, images, wheels. Minutes, once. */
export async function prepareNodeCluster(
  { packages, images = [] }: NodeOptions = {},
  say?: (line: string) => void,
): Promise<Parts> {
  const kubernetes = await kubernetesTools(say)
  const cilium = await ciliumTools(say)
  const store = await withImages(await imageStore(say), images, say)
  return { kubernetes, cilium, store, wheels: await downloadWheels(packages, say) }
}

/**
 * Starts a cluster of the test's own, which ends with the test. When this resolves, pods can be started and names be
 * looked up.
 */
export async function startNodeCluster(
  t: Pick<Test, 'teardown'>,
  options?: NodeOptions,
): Promise<NodeCluster> {
  const ends: (() => unknown)[] = []
  const stop = async () => {
    for (let end = ends.pop(); end; end = ends.pop()) await end()
  }
  t.teardown(stop)
  const defer: Defer = (end) => ends.push(end)
  const given = givenCluster(process.env)
  if (given) {
    const index = await servePackages(await downloadWheels(options?.packages), given.hostAddress)
    defer(() => index.close())
    const cluster = await useCluster(given, index.url)
    defer(cluster.stop)
    return { ...cluster, stop }
  }
  const parts = await prepareNodeCluster(options)
  await sweepSlots()
  const slot = await claimSlot()
  defer(() => slot.release())
  const machine = await Machine.start(slot)
  defer(() => machine.end())
  try {
    return { ...(await startPrograms(machine, slot, parts, defer)), stop }
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${await machine.allLastLines()}`, { cause: error })
  }
}

async function startPrograms(
  machine: Machine,
  slot: Slot,
  { kubernetes, cilium, store, wheels }: Parts,
  defer: Defer,
): Promise<Omit<NodeCluster, 'stop'>> {
  const folders = { networks: join(slot.folder, 'networks'), plugins: join(slot.folder, 'plugins') }
  await connect(machine, slot)
  const index = await servePackages(wheels, slot.hostAddress)
  defer(() => index.close())
  await linkPlugins(folders, cilium)
  const [plane] = await Promise.all([
    ControlPlane.start(machine, slot, kubernetes),
    startContainerd(machine, slot.folder, store, folders),
  ])
  const kubectl = new Kubectl(join(kubernetes, 'kubectl'), plane.kubeconfig)
  defer(kubectl.end)
  const startKubelet = await prepareKubelet(machine, slot, plane, kubernetes)
  await makeNode(kubectl, slot)
  startKubelet()
  await Promise.all([
    startKubeProxy(machine, slot, plane, kubernetes),
    kubectl.run('create', '--validate=false', ...resourceDefinitions(cilium)),
    kubectl.apply(dnsManifest(join(kubernetes, 'coredns'))),
    startCilium(machine, slot, plane, cilium, folders),
  ])
  await kubectl.run('wait', '--for=condition=Ready', `node/${NODE_NAME}`, '--timeout=120s')
  await kubectl.run('-n=kube-system', 'rollout', 'status', 'deployment/kube-dns', '--timeout=120s')
  return {
    given: false,
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
    startKubelet: async () => startKubelet(),
    async restartKubelet() {
      await machine.stop('kubelet')
      startKubelet()
    },
    restartApi: () => plane.restartApi(),
  }
}

/** kubelet finds it; otherwise the controller manager would say which addresses its pods have, seconds later. */
async function makeNode(kubectl: Kubectl, { folder, podCidr }: Slot): Promise<void> {
  const file = join(folder, 'node.json')
  const spec = { podCIDR: podCidr, podCIDRs: [podCidr] }
  await writeFile(
    file,
    JSON.stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name: NODE_NAME }, spec }),
  )
  await kubectl.run('create', '--raw=/api/v1/nodes', '--filename', file)
}

let written = 0

async function kubeconfigFor(subject: Subject, plane: ControlPlane, kubectl: Kubectl): Promise<string> {
  const file = `subject-${++written}`
  if ('user' in subject) return plane.kubeconfigOf(file, { name: subject.user, groups: subject.groups })
  return writeKubeconfig(join(plane.folder, `${file}.kubeconfig`), {
    url: plane.url,
    authority: plane.authority.certificate,
    user: { token: await kubectl.token(subject) },
  })
}
