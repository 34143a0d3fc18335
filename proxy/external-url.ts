import type { FastifyRequest } from 'fastify'
import { RexecError } from '../common/errors.ts'
import type { ProxySettings } from './settings.ts'

const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(:\d{1,5})?$/i

/**
 * The service's address as its users know it: set, or as the request came. X-Forwarded-* counts only from `trustProxy`.
 * @throws request_malformed
 */
export function externalUrl(
  { protocol, host }: FastifyRequest,
  { publicUrl, prefix }: Pick<ProxySettings, 'publicUrl' | 'prefix'>,
): string {
  if (publicUrl) return publicUrl + prefix
  if (!HOST.test(host) || !/^https?$/.test(protocol)) {
    throw new RexecError('request_malformed', 'The request does not name a valid host.')
  }
  return `${protocol}://${host}${prefix}`
}
