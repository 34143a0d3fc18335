import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CONTAINERD_SOCKET } from './containerd.ts'
import { type ControlPlane, DNS_SERVICE, NODE_NAME } from './control-plane.ts'
import type { Machine } from './machine.ts'
import type { Slot } from './slot.ts'

/** kubelet, whose containerd must run already. @returns what starts it (again) */
export async function prepareKubelet(
  machine: Machine,
  slot: Slot,
  plane: ControlPlane,
  bin: string,
): Promise<() => void> {
  const [{ certificate, key }, kubeconfig] = await Promise.all([
    plane.authority.issue('kubelet-serving', { name: NODE_NAME }, [`IP:${slot.nodeAddress}`]),
    plane.kubeconfigOf('kubelet', { name: `system:node:${NODE_NAME}`, groups: ['system:nodes'] }),
  ])
  const configuration = join(slot.folder, 'kubelet.json')
  await writeFile(
    configuration,
    JSON.stringify({
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      kind: 'KubeletConfiguration',
      failCgroupV1: false,
      cgroupDriver: 'cgroupfs',
      failSwapOn: false,
      authentication: {
        anonymous: { enabled: false },
        webhook: { enabled: true },
        x509: { clientCAFile: plane.authority.certificate },
      },
      authorization: { mode: 'Webhook' },
      tlsCertFile: certificate,
      tlsPrivateKeyFile: key,
      containerRuntimeEndpoint: `unix://${CONTAINERD_SOCKET}`,
      clusterDNS: [DNS_SERVICE],
      clusterDomain: 'cluster.local',
      resolvConf: '',
      // The machine's disk may be as full as it likes; images are the store's.
      evictionHard: { 'nodefs.available': '1%', 'imagefs.available': '1%' },
      imageGCHighThresholdPercent: 100,
      imageGCLowThresholdPercent: 99,
      podLogsDir: join(slot.folder, 'pod-logs'),
      podPidsLimit: 200,
      // A volume that is too full shall be noticed within seconds, too, instead of a minute.
      volumeStatsAggPeriod: '5s',
      // A dead node shall be noticed while a test waits: it says every 2.5 s that it lives.
      nodeLeaseDurationSeconds: 10,
    }),
  )
  return () =>
    void machine.start('kubelet', [
      join(bin, 'kubelet'),
      ...[
        `--config=${configuration}`,
        `--kubeconfig=${kubeconfig}`,
        `--root-dir=${join(slot.folder, 'kubelet')}`,
      ],
      ...[`--hostname-override=${NODE_NAME}`, `--node-ip=${slot.nodeAddress}`],
    ])
}

/** What makes Services: kube-proxy. */
export async function startKubeProxy(
  machine: Machine,
  slot: Slot,
  plane: ControlPlane,
  bin: string,
): Promise<void> {
  const kubeconfig = await plane.kubeconfigOf('kube-proxy', { name: 'system:kube-proxy' })
  const configuration = join(slot.folder, 'kube-proxy.json')
  await writeFile(
    configuration,
    JSON.stringify({
      apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
      kind: 'KubeProxyConfiguration',
      mode: 'nftables',
      clientConnection: { kubeconfig },
      clusterCIDR: slot.podCidr,
      hostnameOverride: NODE_NAME,
      nodePortAddresses: [`${slot.nodeAddress}/32`],
      // The settings behind them cannot be written in a network namespace.
      conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
    }),
  )
  machine.start('kube-proxy', [join(bin, 'kube-proxy'), `--config=${configuration}`])
}
