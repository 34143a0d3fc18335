import type { Signer } from '../common/tokens.ts'
import type { ProxySettings } from './settings.ts'

/** An exec token of the usual life time, or of `seconds` if that is within what the settings allow. */
export async function makeExecToken(
  signer: Signer,
  { execSeconds, maxExecSeconds }: ProxySettings['tokens'],
  claims: { user: string; server?: string },
  seconds = execSeconds,
): Promise<{ token: string; expiresAt: string }> {
  const { token, expiresAt } = await signer.sign('exec', claims, Math.min(seconds, maxExecSeconds))
  return { token, expiresAt: new Date(expiresAt * 1000).toISOString() }
}
