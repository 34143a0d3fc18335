import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, realpath, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createSigner, generateSigningKey, type Signer } from '../common/tokens.ts'
import { acquireLock } from '../proxy/cluster/local/lock.ts'
import { Problem } from './problem.ts'

/** The users of a local service. */
const USERS = ['alice', 'bob']

export interface State {
  folder: string
  signer: Signer
  /** What the broker shows the proxy. */
  brokerCredential: string
  users: { name: string; token: string }[]
  /** Lets another `rexec local` use the folder. */
  release(): Promise<void>
}

interface Secrets {
  signingKey: Parameters<typeof createSigner>[0]
  brokerCredential: string
  tokens: Record<string, string>
}

/**
 * Opens a state folder for this process alone. Keys and tokens are made at the first time and kept.
 * @throws Problem when another process uses the folder, or its secrets cannot be read
 */
export async function openState(path: string): Promise<State> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  const folder = await realpath(path)
  const lock = await acquireLock(join(folder, 'lock'))
  if (typeof lock === 'number') {
    throw new Problem(
      `${folder} is in use by another rexec (process ${lock}). Stop that one, or choose another folder with --state.`,
    )
  }
  try {
    const secrets = await loadSecrets(join(folder, 'secrets.json'))
    return {
      folder,
      signer: await createSigner(secrets.signingKey),
      brokerCredential: secrets.brokerCredential,
      users: USERS.map((name) => ({ name, token: secrets.tokens[name]! })),
      release: lock,
    }
  } catch (error) {
    await lock()
    throw error
  }
}

async function loadSecrets(file: string): Promise<Secrets> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new Problem(`${file} cannot be read: ${error.message}.`)
  })
  if (text !== undefined) {
    await chmod(file, 0o600)
    return parse(text, file)
  }
  const secrets: Secrets = {
    signingKey: await generateSigningKey(),
    brokerCredential: newSecret(),
    tokens: Object.fromEntries(USERS.map((name) => [name, newSecret()])),
  }
  // Renamed when it is whole: a start that is killed leaves no half of it.
  await writeFile(`${file}.new`, JSON.stringify(secrets, null, 2), { mode: 0o600 })
  await rename(`${file}.new`, file)
  return secrets
}

function parse(text: string, file: string): Secrets {
  try {
    const secrets = JSON.parse(text) as Secrets
    const values = [secrets.brokerCredential, ...USERS.map((name) => secrets.tokens[name])]
    if (secrets.signingKey && values.every((value) => typeof value === 'string')) return secrets
  } catch {
    // As if something in it were missing.
  }
  throw new Problem(`${file} is damaged. Remove it; new keys and tokens are made at the next start.`)
}

function newSecret(): string {
  return randomBytes(24).toString('base64url')
}
