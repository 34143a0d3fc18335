import { mkdir, readdir, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Folders } from './containerd.ts'
import { type ControlPlane, LOOK_AGAIN, NODE_NAME } from './control-plane.ts'
import type { Machine } from './machine.ts'
import type { Slot } from './slot.ts'

/** Debian's, of containernetworking-plugins. */
export const PLUGINS = '/usr/lib/cni'

/** Folder with the programs, the CRDs, the BPF sources (lib), and wrappers to be first in the PATH (path). */
export type CiliumFolder = string

export async function linkPlugins({ plugins }: Folders, cilium: CiliumFolder): Promise<void> {
  await mkdir(plugins, { recursive: true })
  for (const name of await readdir(PLUGINS)) await symlink(join(PLUGINS, name), join(plugins, name))
  await symlink(join(cilium, 'bin/cilium-cni'), join(plugins, 'cilium-cni'))
}

/** What the agent waits for; there are twice as many, and each costs the API server a moment. */
const RESOURCES = {
  v2: ['networkpolicies', 'clusterwidenetworkpolicies', 'nodes', 'identities', 'endpoints'],
  v2alpha1: ['cidrgroups', 'podippools', 'loadbalancerippools', 'l2announcementpolicies'],
}

/** For kubectl: where the definitions of Cilium's own resources are. */
export function resourceDefinitions(cilium: CiliumFolder): string[] {
  return Object.entries(RESOURCES).flatMap(([version, names]) =>
    names.map((name) => `--filename=${join(cilium, 'crds', version, `cilium${name}.yaml`)}`),
  )
}

/**
 * Cilium, which enforces NetworkPolicies on what the ptp plugin connects. Resolves when the agent is healthy and pods can
 * be started.
 */
export async function startCilium(
  machine: Machine,
  slot: Slot,
  plane: ControlPlane,
  cilium: CiliumFolder,
  { networks }: Folders,
): Promise<void> {
  await isRegistered(plane)
  machine.start('cilium-agent', [
    'env',
    ...[`K8S_NODE_NAME=${NODE_NAME}`, 'CILIUM_K8S_NAMESPACE=kube-system'],
    `PATH=${join(cilium, 'path')}:${process.env.PATH}`,
    join(cilium, 'bin/cilium-agent'),
    ...[`--k8s-kubeconfig-path=${plane.kubeconfig}`, '--identity-allocation-mode=crd'],
    ...['--enable-ipv4=true', '--enable-ipv6=false', '--ipam=kubernetes', '--k8s-require-ipv4-pod-cidr=true'],
    ...['--routing-mode=native', `--ipv4-native-routing-cidr=${slot.podCidr}`],
    ...['--enable-ipv4-masquerade=false', '--enable-bpf-masquerade=false'],
    // ptp makes the routes. Its gateway has to be known as the node's, or kubelet's probes count as the world.
    ...['--enable-endpoint-routes=true', '--enable-local-node-route=false'],
    `--local-router-ipv4=${slot.podGateway}`,
    ...['--cni-chaining-mode=generic-veth', '--kube-proxy-replacement=false'],
    ...['--enable-l7-proxy=false', '--enable-envoy-config=false', '--install-iptables-rules=true'],
    ...['--enable-health-checking=false', '--enable-endpoint-health-checking=false'],
    ...['--enable-hubble=false', '--enable-bandwidth-manager=false'],
    // Otherwise no ipBlock matches the node.
    '--policy-cidr-match-mode=nodes',
    ...['--bpf-root=/sys/fs/bpf', '--cgroup-root=/sys/fs/cgroup/unified'],
    ...[`--lib-dir=${join(cilium, 'lib')}`, '--state-dir=/run/cilium'],
  ])
  await machine.ready('cilium-agent', machine.run('cilium-health', ['bash', '-c', HEALTHY]))
  await writeNetwork(slot, networks)
}

/** Asks the agent, which listens in the machine only, until it answers 200. */
const HEALTHY = `
until exec 3<>/dev/tcp/127.0.0.1/9879 &&
  printf 'GET /healthz HTTP/1.0\\r\\nHost: localhost\\r\\nbrief: true\\r\\n\\r\\n' >&3 &&
  read -r _ code _ <&3 && [ "$code" = 200 ]
do sleep 0.05; done 2>/dev/null`

/** The agent takes the node's address from what kubelet says of it. */
async function isRegistered(plane: ControlPlane): Promise<void> {
  while (!(await plane.get(`/api/v1/nodes/${NODE_NAME}`))?.includes('"InternalIP"')) await sleep(LOOK_AGAIN)
}

async function writeNetwork(slot: Slot, networks: string): Promise<void> {
  const ipam = {
    type: 'host-local',
    dataDir: join(slot.folder, 'addresses'),
    ranges: [[{ subnet: slot.podCidr }]],
    routes: [{ dst: '0.0.0.0/0' }],
  }
  const network = {
    cniVersion: '0.4.0',
    name: 'pods',
    plugins: [
      { type: 'ptp', ipMasq: false, ipam },
      { type: 'portmap', capabilities: { portMappings: true } },
      {
        type: 'cilium-cni',
        'chaining-mode': 'generic-veth',
        'log-file': join(slot.folder, 'log/cilium-cni.log'),
      },
    ],
  }
  const path = join(networks, '10.conflist')
  await writeFile(`${path}.draft`, JSON.stringify(network))
  await rename(`${path}.draft`, path)
}
