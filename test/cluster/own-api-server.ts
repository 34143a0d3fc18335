import { glob, mkdtemp, readFile, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../support/free-port.ts'
import { Admin } from './admin.ts'
import type { ApiServer, Subject } from './api-server.ts'
import { Child } from './child.ts'
import { listEverything } from './listing.ts'
import { writeKubeconfig } from './node/kubeconfig.ts'
import { Kubectl } from './node/kubectl.ts'
import { Authority, type Certificate } from './node/pki.ts'

/** How often to ask whether something is ready, in milliseconds. */
const LOOK_AGAIN = 50

const PORTS_TO_TRY = 10

/** Sockets in the folder need no port, and only their owner can connect. */
const ETCD = [
  ...['--data-dir=etcd', '--unsafe-no-fsync', '--listen-client-urls=unix://etcd.sock'],
  ...['--listen-peer-urls=unix://peers.sock'],
  // Nobody uses these; it insists on ports.
  ...['--advertise-client-urls=http://127.0.0.1:1', '--initial-advertise-peer-urls=http://127.0.0.1:1'],
  '--initial-cluster=default=http://127.0.0.1:1',
]

/** A real etcd, API server and controller manager in a folder of their own. There is no scheduler and no node. */
export class OwnApiServer implements ApiServer {
  readonly given = false
  readonly folder: string
  readonly #bin: string
  readonly #choosePort: () => number | Promise<number>
  readonly #children = new Map<string, Child>()
  #authority!: Authority
  #apiArguments: string[] = []
  #port = 0
  #admin!: Admin
  #kubectl!: Kubectl
  #kubeconfigs = 0

  /** Resolves when it is ready. @param bin folder of the programs @param choosePort asked again if that is taken */
  static async start(
    bin: string,
    choosePort: () => number | Promise<number> = freePort,
  ): Promise<OwnApiServer> {
    await sweep()
    const folder = await realpath(await mkdtemp(join(tmpdir(), `rexec-api-${process.pid}-`)))
    const server = new OwnApiServer(folder, bin, choosePort)
    try {
      await server.#start()
      return server
    } catch (error) {
      await server.stop()
      throw error
    }
  }

  private constructor(folder: string, bin: string, choosePort: () => number | Promise<number>) {
    this.folder = folder
    this.#bin = bin
    this.#choosePort = choosePort
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}`
  }

  get kubeconfig(): string {
    return this.#kubectl.kubeconfig
  }

  async #start(): Promise<void> {
    await this.#run('etcd', ETCD)
    this.#authority = await Authority.make(this.folder)
    const [serving, admin, managing, signingKey] = await Promise.all([
      this.#authority.issue('api', { name: 'kube-apiserver' }, ['IP:127.0.0.1']),
      this.#authority.issue('admin', { name: 'admin', groups: ['system:masters'] }),
      this.#authority.issue('manager', { name: 'system:kube-controller-manager' }),
      this.#authority.signingKey(),
    ])
    this.#apiArguments = [
      ...['--etcd-servers=unix://etcd.sock', '--bind-address=127.0.0.1', '--endpoint-reconciler-type=none'],
      ...['--service-cluster-ip-range=10.96.0.0/16', `--client-ca-file=${this.#authority.certificate}`],
      ...[`--tls-cert-file=${serving.certificate}`, `--tls-private-key-file=${serving.key}`],
      ...[`--service-account-key-file=${signingKey}`, `--service-account-signing-key-file=${signingKey}`],
      ...['--service-account-issuer=https://kubernetes.default.svc', '--authorization-mode=Node,RBAC'],
      ...['--enable-admission-plugins=NodeRestriction', '--allow-privileged=true', '--profiling=false'],
    ]
    await this.#startOnFreePort(admin)
    const kubeconfig = await this.#write('admin', admin)
    this.#kubectl = new Kubectl(join(this.#bin, 'kubectl'), kubeconfig)
    const certificate = this.#authority.certificate
    await this.#run('kube-controller-manager', [
      `--kubeconfig=${await this.#write('manager', managing)}`,
      ...['--use-service-account-credentials', '--leader-elect=false', '--secure-port=0'],
      ...[`--service-account-private-key-file=${signingKey}`, `--root-ca-file=${certificate}`],
      ...[
        `--cluster-signing-cert-file=${certificate}`,
        `--cluster-signing-key-file=${join(this.folder, 'ca.key')}`,
      ],
      // Many namespaces come and go; by default it restrains itself to 20 requests a second.
      ...['--kube-api-qps=500', '--kube-api-burst=1000', '--resource-quota-sync-period=10s'],
    ])
    await this.#untilManaged()
  }

  async #run(name: string, args: string[]): Promise<Child> {
    const child = await Child.start(this.folder, name, join(this.#bin, name), args)
    this.#children.set(name, child)
    return child
  }

  async #startOnFreePort(admin: Certificate): Promise<void> {
    const [ca, cert, key] = await Promise.all(
      [this.#authority.certificate, admin.certificate, admin.key].map((file) => readFile(file, 'utf8')),
    )
    for (let attempt = 1; ; attempt++) {
      this.#port = await this.#choosePort()
      this.#admin = new Admin({ url: this.url, ca: ca!, cert, key })
      try {
        return await this.startApi()
      } catch (error) {
        this.#admin.close()
        if (attempt === PORTS_TO_TRY || !/address already in use/.test((error as Error).message)) throw error
      }
    }
  }

  startApi = async (): Promise<void> => {
    const child = await this.#run('kube-apiserver', [`--secure-port=${this.#port}`, ...this.#apiArguments])
    await this.#until(child, () => this.#admin.get('/readyz'))
  }

  stopApi = async (): Promise<void> => {
    await this.#children.get('kube-apiserver')!.kill()
  }

  /** Asks again and again until it does not reject. @throws Error with the end of the log when the child ends */
  async #until(child: Child, ask: () => Promise<unknown>): Promise<void> {
    for (;;) {
      try {
        await ask()
        return
      } catch {
        if (!child.running) throw new Error(`${child.name} ended:\n${await child.lastLines()}`)
        await sleep(LOOK_AGAIN)
      }
    }
  }

  /** The controllers have done what they do for a new cluster: what is listed from now on is somebody's doing. */
  async #untilManaged(): Promise<void> {
    const namespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease']
    const made = namespaces.flatMap((namespace) => [
      `/api/v1/namespaces/${namespace}/serviceaccounts/default`,
      `/api/v1/namespaces/${namespace}/configmaps/kube-root-ca.crt`,
    ])
    const roles = ['admin', 'edit', 'view'].map(
      (role) => `/apis/rbac.authorization.k8s.io/v1/clusterroles/${role}`,
    )
    await this.#until(this.#children.get('kube-controller-manager')!, async () => {
      await Promise.all(made.map((path) => this.#admin.get(path)))
      for (const role of roles) {
        const { rules } = await this.#admin.json<{ rules?: unknown[] | null }>(role)
        if (!rules?.length) throw new Error('not aggregated yet')
      }
    })
  }

  #write(name: string, user: Certificate | { token: string }): Promise<string> {
    const path = join(this.folder, `${name}.kubeconfig`)
    return writeKubeconfig(path, { url: this.url, authority: this.#authority.certificate, user })
  }

  kubectl = (...args: string[]): Promise<string> => this.#kubectl.run(...args)

  apply = (manifest: object | object[]): Promise<void> => this.#kubectl.apply(manifest)

  kubeconfigFor = async (subject: Subject): Promise<string> => {
    const name = `user-${++this.#kubeconfigs}`
    if ('user' in subject) {
      const { user, groups } = subject
      return this.#write(name, await this.#authority.issue(name, { name: user, groups }))
    }
    const { serviceAccount, namespace } = subject
    const token = await this.kubectl('create', 'token', serviceAccount, '--namespace', namespace)
    return this.#write(name, { token: token.trim() })
  }

  listing = (): Promise<Map<string, unknown>> => listEverything(this.#admin)

  /** Ends everything and removes the folder. */
  stop = async (): Promise<void> => {
    this.#admin?.close()
    this.#kubectl?.end()
    await Promise.all([...this.#children.values()].map((child) => child.kill()))
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** Removes the folders of processes that were killed: etcd reserves 64 MB in each. */
async function sweep(): Promise<void> {
  for await (const name of glob('rexec-api-*-*', { cwd: tmpdir() })) {
    const pid = Number(name.split('-')[2])
    if (!isAlive(pid)) await rm(join(tmpdir(), name), { recursive: true, force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // One that belongs to somebody else is alive too.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
