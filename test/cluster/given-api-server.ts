import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Admin } from './admin.ts'
import type { ApiServer, Subject } from './api-server.ts'
import { runProgram } from './images/program.ts'
import { listEverything } from './listing.ts'
import { writeKubeconfig } from './node/kubeconfig.ts'
import { Kubectl } from './node/kubectl.ts'
import { type Certificate, NEW_KEY, subject } from './node/pki.ts'

/** What of a kubeconfig is used, in its own words. */
interface Kubeconfig {
  clusters: { cluster: { server: string; 'certificate-authority-data': string } }[]
  users: {
    user: { token?: string; 'client-certificate-data'?: string; 'client-key-data'?: string }
  }[]
}

/** Somebody's own cluster, such as kind or minikube. */
export class GivenApiServer implements ApiServer {
  readonly given = true
  readonly url: string
  readonly kubeconfig: string
  readonly folder: string
  readonly #kubectl: Kubectl
  readonly #admin: Admin
  readonly #authority: string
  #kubeconfigs = 0

  /** @param program kubectl: a path, or a name on the PATH */
  static async check(kubeconfig: string, program = 'kubectl'): Promise<void> {
    const { users } = await read(kubeconfig, program)
    if (!users[0]?.user.token && !users[0]?.user['client-key-data']) {
      throw new Error('its user has neither a client certificate nor a token')
    }
    await runProgram(program, ['--kubeconfig', kubeconfig, 'get', '--raw', '/readyz'])
  }

  static async connect(kubeconfig: string, program = 'kubectl'): Promise<GivenApiServer> {
    const config = await read(kubeconfig, program)
    const folder = await mkdtemp(join(tmpdir(), 'rexec-api-'))
    const server = new GivenApiServer(folder, config, program)
    await writeFile(server.kubeconfig, JSON.stringify(config), { mode: 0o600 })
    await writeFile(server.#authority, pem(config.clusters[0]!.cluster['certificate-authority-data']))
    return server
  }

  private constructor(folder: string, { clusters, users }: Kubeconfig, program: string) {
    this.folder = folder
    this.kubeconfig = join(folder, 'admin.kubeconfig')
    this.#authority = join(folder, 'ca.crt')
    this.#kubectl = new Kubectl(program, this.kubeconfig)
    const { server, 'certificate-authority-data': ca } = clusters[0]!.cluster
    const { token, 'client-certificate-data': certificate, 'client-key-data': key } = users[0]!.user
    this.url = server
    const own = certificate && key ? { cert: pem(certificate), key: pem(key) } : {}
    this.#admin = new Admin({ url: server, ca: pem(ca), token, ...own })
  }

  kubectl = (...args: string[]): Promise<string> => this.#kubectl.run(...args)

  apply = (manifest: object | object[]): Promise<void> => this.#kubectl.apply(manifest)

  listing = (): Promise<Map<string, unknown>> => listEverything(this.#admin)

  kubeconfigFor = async (whom: Subject): Promise<string> => {
    const name = `user-${++this.#kubeconfigs}`
    const path = join(this.folder, `${name}.kubeconfig`)
    const user = 'user' in whom ? await this.#certificate(name, whom) : { token: await this.#token(whom) }
    return writeKubeconfig(path, { url: this.url, authority: this.#authority, user })
  }

  async #token({ serviceAccount, namespace }: { serviceAccount: string; namespace: string }) {
    return (await this.kubectl('create', 'token', serviceAccount, '--namespace', namespace)).trim()
  }

  /** Signed by the cluster, whose authority's key is not ours. */
  async #certificate(name: string, { user, groups }: { user: string; groups?: string[] }) {
    const key = join(this.folder, `${name}.key`)
    const out = ['-keyout', key, '-subj', subject({ name: user, groups })]
    const request = await runProgram('openssl', ['req', '-new', ...NEW_KEY, ...out])
    const metadata = { name: `rexec-test-${randomUUID()}` }
    const spec = {
      request: Buffer.from(request).toString('base64'),
      signerName: 'kubernetes.io/kube-apiserver-client',
      usages: ['client auth'],
    }
    const kind = 'CertificateSigningRequest'
    await this.apply({ apiVersion: 'certificates.k8s.io/v1', kind, metadata, spec })
    const object = `csr/${metadata.name}`
    await this.kubectl('certificate', 'approve', metadata.name)
    await this.kubectl('wait', '--for=jsonpath={.status.certificate}', '--timeout=120s', object)
    const signed = await this.kubectl('get', object, '-o', 'jsonpath={.status.certificate}')
    await this.kubectl('delete', object)
    const certificate: Certificate = { certificate: join(this.folder, `${name}.crt`), key }
    await writeFile(certificate.certificate, pem(signed))
    return certificate
  }

  stopApi = (): Promise<never> => Promise.reject(new Error('somebody else uses this API server: not stopped'))

  startApi = this.stopApi

  /** Ends what was made here; the cluster stays as it is. */
  stop = async (): Promise<void> => {
    this.#admin.close()
    this.#kubectl.end()
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** With what it refers to in it. */
async function read(kubeconfig: string, program: string): Promise<Kubeconfig> {
  const args = ['config', 'view', '--raw', '--minify', '--flatten', '--output', 'json']
  return JSON.parse(await runProgram(program, ['--kubeconfig', kubeconfig, ...args]))
}

function pem(base64: string): string {
  return Buffer.from(base64, 'base64').toString()
}
