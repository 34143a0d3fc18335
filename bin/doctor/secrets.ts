import { parseSigningKeys } from '../../common/keys.ts'
import { createSigner, type Signer } from '../../common/tokens.ts'
import { type Check, type Finding, fail, ok, warn } from './check.ts'
import type { ProxyFiles, Secret } from './files.ts'

const HOW = 'docs/admin/running.md tells how it is made and given.'
const CREDENTIAL = /^[!-~]{32,4096}$/
const HUB_TOKEN = /^[!-~]{16,4096}$/

/** What the proxy signs with; undefined when the key is missing or none. */
export async function signerOf({ text }: Secret): Promise<Signer | undefined> {
  try {
    const { current, others } = await parseSigningKeys(text ?? '')
    return await createSigner(current, others)
  } catch {
    return undefined
  }
}

/** Whether each secret of the proxy is there and has its form. None is ever shown. */
export function secretChecks({ secrets, settings, raw }: ProxyFiles): Check[] {
  const authenticators: readonly string[] = settings?.identity.authenticators ?? []
  const { signingKey, brokerCredential, hubToken, staticUsers } = secrets
  const check = (name: string, look: () => Promise<Finding> | Finding): Check => ({
    group: 'secrets',
    name,
    run: async () => look(),
  })
  return [
    check('signing-key', async () => {
      const missing = missingOf(signingKey)
      if (missing) return missing
      return (await signerOf(signingKey))
        ? ok(`${signingKey.name} holds a signing key`)
        : fail(`${signingKey.name} holds no private Ed25519 key (PEM, or a JWK)`, HOW)
    }),
    check('broker-credential', () => {
      if (brokerCredential.text === undefined && raw('broker.credential') !== undefined) {
        return warn(
          'broker.credential is in the settings file',
          `Keep it in a secret: ${brokerCredential.name}.`,
        )
      }
      return (
        missingOf(brokerCredential) ??
        formOf(brokerCredential, CREDENTIAL, 'a broker credential (at least 32 visible characters)')
      )
    }),
    ...(authenticators.includes('jupyterhub')
      ? [check('hub-token', () => hubTokenOf(hubToken, settings?.identity.jupyterhub?.apiToken))]
      : []),
    ...(authenticators.includes('static') && staticUsers.text !== undefined
      ? [check('static-users', () => usersOf(staticUsers.text!))]
      : []),
  ]
}

function hubTokenOf(secret: Secret, inSettings: string | undefined): Finding {
  if (secret.problem) return missingOf(secret)!
  if (secret.text !== undefined) return formOf(secret, HUB_TOKEN, 'a token of the hub')
  if (inSettings !== undefined) {
    return warn(
      'identity.jupyterhub.apiToken is in the settings file',
      `Keep it in a secret: ${secret.name}.`,
    )
  }
  return warn(
    `${secret.name} is not set: browsers cannot log in, and users who have left are not noticed`,
    "Give the proxy the service's own token at the hub (docs/admin/identity.md).",
  )
}

function usersOf(text: string): Finding {
  try {
    JSON.parse(text)
    return ok('REXEC_STATIC_USERS holds JSON')
  } catch {
    return fail('REXEC_STATIC_USERS is not valid JSON', HOW)
  }
}

function missingOf({ name, text, problem }: Secret): Finding | undefined {
  if (problem) return fail(`${name}: ${problem}`, 'Mount the Secret, readable for the user of the process.')
  return text === undefined ? fail(`${name} is not set`, HOW) : undefined
}

function formOf({ name, text }: Secret, form: RegExp, what: string): Finding {
  return form.test(text!) ? ok(`${name} holds ${what}`) : fail(`${name} does not hold ${what}`, HOW)
}
