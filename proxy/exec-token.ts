import type { Signer } from '../common/tokens.ts'
import { type AuditLog, audited } from './audit.ts'
import type { ProxySettings } from './settings.ts'

/** An exec token of the usual life time, or of `seconds` if that is within what the settings allow. */
export async function makeExecToken(
  signer: Signer,
  { execSeconds, maxExecSeconds }: ProxySettings['tokens'],
  claims: { user: string; server?: string },
  log: AuditLog,
  seconds = execSeconds,
): Promise<{ token: string; expiresAt: string }> {
  const { token, expiresAt } = await audited(log, { action: 'token.make', ...claims }, async (act) => {
    const made = await signer.sign('exec', claims, Math.min(seconds, maxExecSeconds))
    act.tokenId = made.id
    return { outcome: 'made', ...made }
  })
  return { token, expiresAt: new Date(expiresAt * 1000).toISOString() }
}
