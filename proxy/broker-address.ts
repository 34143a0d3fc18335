import type { ProxySettings } from './settings.ts'

/** Where clients reach the broker: each address whole and in the two parts that the Rexec clients are given. */
export function brokerOf({
  broker: { clientAddress, externalAddress },
}: {
  broker: Pick<ProxySettings['broker'], 'clientAddress' | 'externalAddress'>
}) {
  return { ...partsOf(clientAddress), ...(externalAddress && { external: partsOf(externalAddress) }) }
}

function partsOf(address: string) {
  const [, host, port] = /^tcp:\/\/(.+):([0-9]+)$/.exec(address)!
  return { address, host: host!, port: port! }
}
