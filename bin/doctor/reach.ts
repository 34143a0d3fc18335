import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { addressesOf, formatAddress, type Lookup, parseAddress } from '../../common/address.ts'
import { type Finding, fail, ok, reasonOf } from './check.ts'
import { ZmtpClient } from './zmtp-client.ts'

const DROPPED = 'no answer in time: something on the way drops it, such as a NetworkPolicy or firewall'

/** Whether a name or address means whatever machine looks it up. */
export function isLoopback(host: string): boolean {
  return /^(localhost|.*\.localhost|127(\.[0-9]+){3}|::1|0\.0\.0\.0|::)$/i.test(host)
}

/** Whether nobody but this machine or pod reaches what listens there. */
export function isForItself(host: string): boolean {
  return isLoopback(host) && host !== '0.0.0.0' && host !== '::'
}

/** From here to a broker's port: the name, the connection, the greeting. The first that fails is told. */
export async function reachBroker(address: string, whose: string, signal: AbortSignal): Promise<Finding> {
  const { host, port } = parseAddress(address)
  try {
    if (!isIP(host)) await lookup(host)
  } catch (error) {
    return fail(
      `the broker for ${whose}, ${address}: ${reasonOf(error)}`,
      `Set an address that ${whose} can look up; "${host}" is not known here.`,
    )
  }
  let client: ZmtpClient | undefined
  try {
    client = await ZmtpClient.connect(host, port, signal)
    if (await client.greet()) return ok(`the broker for ${whose} answers at ${address}`)
    return fail(
      `the broker for ${whose}, ${address}: what answers there is no broker (its greeting is not ZMTP)`,
      `Set the broker's own address. It is TCP: no HTTP proxy or ingress can stand before it.`,
    )
  } catch (error) {
    return fail(
      `the broker for ${whose}, ${address}: ${signal.aborted ? DROPPED : reasonOf(error)}`,
      'Does a broker run there, and listen beyond loopback (clients.host, servers.host)? Do the NetworkPolicies on both sides let this through?',
    )
  } finally {
    client?.close()
  }
}

/** The same for each broker that a name stands for, since a server connects to each. */
export async function reachBrokers(
  address: string,
  whose: string,
  signal: AbortSignal,
  lookup?: Lookup,
): Promise<Finding[]> {
  const { host, port } = parseAddress(address)
  const found = isIP(host) ? undefined : await addressesOf(host, 0, lookup).catch(() => undefined)
  const each = found && found.addresses.length > 1
  const brokers = each ? found.addresses.map((one) => formatAddress(one, port)) : [address]
  return Promise.all(brokers.map((broker) => reachBroker(broker, whose, signal)))
}
