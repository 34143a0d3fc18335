import { createHash } from 'node:crypto'

/** 100 bits, 5 to a character: of a billion users two meet with a probability of 4e-13. */
const HASH_DIGITS = 25
const HASH_LENGTH = 20
/** With the longest prefix of the settings, 21 characters, and a hyphen: 63, what RFC 1123 allows. */
const SLUG_LENGTH = 21

/**
 * The namespace of a user: `<prefix><slug>-<hash>`. The hash, of the exact name, is always there and alone tells users
 * apart; the slug only helps people who read it. So nobody can choose a name whose namespace is another's, and none
 * of Kubernetes' own namespaces comes out.
 * @throws TypeError for a text that is not valid Unicode: two of those can have the same bytes
 */
export function namespaceName(user: string, prefix: string): string {
  if (!user.isWellFormed()) throw new TypeError('the user name is not valid Unicode')
  const hash = createHash('sha256').update(user).digest('hex').slice(0, HASH_DIGITS)
  const end = BigInt(`0x${hash}`).toString(32).padStart(HASH_LENGTH, '0')
  const slug = slugOf(user)
  return slug ? `${prefix}${slug}-${end}` : `${prefix}${end}`
}

/** Whether a namespace belongs to Kubernetes or to rexec itself; none of these may be a user's, however it came up. */
export function isReserved(namespace: string, releaseNamespace: string): boolean {
  return namespace.startsWith('kube-') || namespace === 'default' || namespace === releaseNamespace
}

/** What a name has in a-z and 0-9, letters with accents among them; a hyphen for the rest. */
function slugOf(user: string): string {
  return user
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-/, '')
    .slice(0, SLUG_LENGTH)
    .replace(/-$/, '')
}
