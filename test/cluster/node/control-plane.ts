import { readFile } from 'node:fs/promises'
import { get } from 'node:https'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { writeKubeconfig } from './kubeconfig.ts'
import type { Machine } from './machine.ts'
import { Authority, type Certificate } from './pki.ts'
import type { Slot } from './slot.ts'

const SERVICE_CIDR = '10.96.0.0/16'
const API_SERVICE = '10.96.0.1'
export const DNS_SERVICE = '10.96.0.10'
export const NODE_NAME = 'node1'

const ETCD = 'http://127.0.0.1:2379'

/** How often to ask whether something is ready, in milliseconds. */
export const LOOK_AGAIN = 50

/** etcd, API server, controller manager and scheduler in a machine. */
export class ControlPlane {
  readonly url: string
  readonly authority: Authority
  readonly folder: string
  readonly #machine: Machine
  readonly #slot: Slot
  readonly #bin: string
  #admin!: Certificate
  /** Path of the cluster admin's. */
  kubeconfig!: string

  /** Resolves when the API server is ready. @param bin folder of the programs */
  static async start(machine: Machine, slot: Slot, bin: string): Promise<ControlPlane> {
    const etcd = ['--listen-client-urls', ETCD, '--advertise-client-urls', ETCD]
    const peers = ['--listen-peer-urls', 'http://127.0.0.1:2380']
    const data = ['--data-dir', join(slot.folder, 'etcd'), '--unsafe-no-fsync']
    machine.start('etcd', [join(bin, 'etcd'), ...etcd, ...peers, ...data])
    const plane = new ControlPlane(machine, slot, bin, await Authority.make(slot.folder))
    await plane.#start()
    return plane
  }

  private constructor(machine: Machine, slot: Slot, bin: string, authority: Authority) {
    this.#machine = machine
    this.#slot = slot
    this.#bin = bin
    this.authority = authority
    this.folder = slot.folder
    this.url = `https://${slot.nodeAddress}:6443`
  }

  async #start(): Promise<void> {
    const addresses = [this.#slot.nodeAddress, '127.0.0.1', API_SERVICE].map((address) => `IP:${address}`)
    const names = [...addresses, 'DNS:kubernetes.default.svc', 'DNS:kubernetes.default']
    const masters = ['system:masters']
    const [server, toKubelet, signingKey, admin] = await Promise.all([
      this.authority.issue('api', { name: 'kube-apiserver' }, names),
      this.authority.issue('api-to-kubelet', { name: 'kube-apiserver', groups: masters }),
      this.authority.signingKey(),
      this.authority.issue('admin', { name: 'admin', groups: masters }),
    ])
    this.#admin = admin
    this.#apiArguments = [
      ...[
        `--etcd-servers=${ETCD}`,
        `--advertise-address=${this.#slot.nodeAddress}`,
        '--bind-address=0.0.0.0',
      ],
      ...[`--service-cluster-ip-range=${SERVICE_CIDR}`, `--client-ca-file=${this.authority.certificate}`],
      ...[`--tls-cert-file=${server.certificate}`, `--tls-private-key-file=${server.key}`],
      ...[`--service-account-key-file=${signingKey}`, `--service-account-signing-key-file=${signingKey}`],
      ...['--service-account-issuer=https://kubernetes.default.svc', '--authorization-mode=Node,RBAC'],
      ...['--enable-admission-plugins=NodeRestriction', '--allow-privileged=true'],
      ...[`--kubelet-client-certificate=${toKubelet.certificate}`, `--kubelet-client-key=${toKubelet.key}`],
      // Otherwise it asks DNS for the node's name.
      '--kubelet-preferred-address-types=InternalIP',
    ]
    const started = this.#startApi()
    this.kubeconfig = await writeKubeconfig(join(this.folder, 'kubeconfig'), {
      url: this.url,
      authority: this.authority.certificate,
      user: admin,
    })
    const [managers, scheduler] = await Promise.all([
      this.kubeconfigOf('kube-controller-manager', { name: 'system:kube-controller-manager' }),
      this.kubeconfigOf('kube-scheduler', { name: 'system:kube-scheduler' }),
    ])
    await started
    this.#machine.start('kube-controller-manager', [
      join(this.#bin, 'kube-controller-manager'),
      ...[`--kubeconfig=${managers}`, '--use-service-account-credentials', '--leader-elect=false'],
      ...[`--service-account-private-key-file=${signingKey}`, `--root-ca-file=${this.authority.certificate}`],
      ...[`--cluster-signing-cert-file=${this.authority.certificate}`],
      ...[`--cluster-signing-key-file=${this.authority.key}`],
      // A node that is gone shall be noticed while a test waits.
      '--node-monitor-grace-period=20s',
    ])
    this.#machine.start('kube-scheduler', [
      join(this.#bin, 'kube-scheduler'),
      ...[`--kubeconfig=${scheduler}`, '--leader-elect=false'],
    ])
  }

  #apiArguments: string[] = []

  async #startApi(): Promise<void> {
    this.#machine.start('kube-apiserver', [join(this.#bin, 'kube-apiserver'), ...this.#apiArguments])
    await this.#machine.ready('kube-apiserver', this.#answers('/readyz'))
  }

  /** Ends the API server, which drops all connections, and resolves when it is ready again. */
  async restartApi(): Promise<void> {
    // After SIGTERM it would wait for its watches.
    await this.#machine.stop('kube-apiserver', 'KILL')
    await this.#startApi()
  }

  /** A kubeconfig with a certificate. @param file name for it, without folder */
  async kubeconfigOf(file: string, user: { name: string; groups?: string[] }): Promise<string> {
    return writeKubeconfig(join(this.folder, `${file}.kubeconfig`), {
      url: this.url,
      authority: this.authority.certificate,
      user: await this.authority.issue(file, user),
    })
  }

  /** Asks until the admin gets 200. */
  async #answers(path: string): Promise<void> {
    while ((await this.get(path)) === undefined) await sleep(LOOK_AGAIN)
  }

  /** What the admin gets: a body, or undefined when there is none. */
  async get(path: string): Promise<string | undefined> {
    const [ca, cert, key] = await Promise.all(
      [this.authority.certificate, this.#admin.certificate, this.#admin.key].map((file) => readFile(file)),
    )
    return new Promise((resolve) => {
      get(`${this.url}${path}`, { ca, cert, key, agent: false }, (response) => {
        let body = ''
        response.on('data', (chunk) => {
          body += chunk
        })
        response.on('close', () => resolve(response.statusCode === 200 ? body : undefined))
      }).on('error', () => resolve(undefined))
    })
  }
}
