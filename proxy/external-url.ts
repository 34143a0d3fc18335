import type { FastifyRequest } from 'fastify'
import { RexecError } from '../common/errors.ts'
import type { ProxySettings } from './settings.ts'

const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(:\d{1,5})?$/i

/**
 * The service's address as its users know it: set, or as the request came. X-Forwarded-* counts only from `trustProxy`.
 * @throws request_malformed
 */
export function externalUrl(
  request: FastifyRequest,
  { publicUrl, prefix }: Pick<ProxySettings, 'publicUrl' | 'prefix'>,
): string {
  if (publicUrl) return publicUrl + prefix
  const { host } = request
  const protocol = protocolOf(request)
  if (!HOST.test(host) || !/^https?$/.test(protocol)) {
    throw new RexecError('request_malformed', 'The request does not name a valid host.')
  }
  return `${protocol}://${host}${prefix}`
}

/**
 * A hub's proxy puts its own "http" behind what a proxy before it has said, such as one that ends TLS. So one "https" is
 * enough: an address that is wrongly so does not answer, while one that is wrongly http has tokens sent in clear.
 */
function protocolOf({ protocol, ips = [], headers }: FastifyRequest): string {
  const forwarded = headers['x-forwarded-proto']
  // More than one address: the first of them, whoever has connected, is trusted to say so.
  if (ips.length < 2 || typeof forwarded !== 'string') return protocol
  return /(^|,)\s*https\s*(,|$)/i.test(forwarded) ? 'https' : protocol
}
