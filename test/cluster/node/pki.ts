import { join } from 'node:path'
import { runProgram } from '../images/program.ts'

export interface Certificate {
  certificate: string
  key: string
}

export interface User {
  name: string
  groups?: string[]
}

const DAYS = '30'
/** A key pair, for openssl req. */
export const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

/** The certificate authority of a cluster, in a folder. Everything here is a path of a PEM file. */
export class Authority {
  readonly certificate: string
  readonly key: string
  readonly #folder: string

  static async make(folder: string): Promise<Authority> {
    const authority = new Authority(folder)
    const use = ['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign']
    await authority.#request('ca', ['-subj', '/CN=rexec test', ...use])
    return authority
  }

  private constructor(folder: string) {
    this.#folder = folder
    this.certificate = join(folder, 'ca.crt')
    this.key = join(folder, 'ca.key')
  }

  /** @param names what a server is called: IP:… or DNS:… */
  issue(file: string, user: User, names: string[] = []): Promise<Certificate> {
    const use = ['-addext', 'basicConstraints=critical,CA:FALSE']
    if (names.length > 0) use.push('-addext', `subjectAltName=${names}`)
    const by = ['-CA', this.certificate, '-CAkey', this.key]
    return this.#request(file, [...by, '-subj', subject(user), ...use])
  }

  /** What signs the tokens of service accounts. */
  async signingKey(): Promise<string> {
    const path = join(this.#folder, 'service-accounts.key')
    await runProgram('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', path])
    return path
  }

  async #request(file: string, args: string[]): Promise<Certificate> {
    const made = { certificate: join(this.#folder, `${file}.crt`), key: join(this.#folder, `${file}.key`) }
    const out = ['-keyout', made.key, '-out', made.certificate]
    await runProgram('openssl', ['req', '-x509', ...NEW_KEY, '-days', DAYS, ...out, ...args])
    return made
  }
}

/** As openssl req takes it, and Kubernetes understands it. */
export function subject({ name, groups = [] }: User): string {
  return [...groups.map((group) => `/O=${quoted(group)}`), `/CN=${quoted(name)}`].join('')
}

/** openssl splits a subject at slashes, and at plus signs. */
function quoted(name: string): string {
  return name.replace(/[\\/+]/g, '\\$&')
}
