import { type LookupAddress, type LookupAllOptions, promises } from 'node:dns'

/** Looks a name up as the system does it: hosts file, search domains, DNS. */
export type Lookup = (name: string, options: LookupAllOptions) => Promise<LookupAddress[]>

/** "tcp://host:port", as settings have it. An IPv6 address stands in brackets there, and without them here. */
export function parseAddress(address: string): { host: string; port: number } {
  const [, host, port] = /^tcp:\/\/\[?(.+?)\]?:([0-9]+)$/.exec(address) ?? []
  return { host: host ?? address, port: Number(port) }
}

export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `tcp://[${host}]:${port}` : `tcp://${host}:${port}`
}

/**
 * All addresses of a name, of one family: what has addresses of both is not to be taken for two. Rejects when there is
 * none.
 */
export async function addressesOf(
  name: string,
  family: 0 | 4 | 6 = 0,
  lookup: Lookup = promises.lookup,
): Promise<{ family: 4 | 6; addresses: string[] }> {
  const found = await lookup(name, { all: true, order: 'ipv4first', family })
  const [first] = found
  if (first === undefined) throw Object.assign(new Error(`no address of ${name}`), { code: 'ENOTFOUND' })
  return {
    family: first.family as 4 | 6,
    addresses: found.filter((one) => one.family === first.family).map(({ address }) => address),
  }
}
