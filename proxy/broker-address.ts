import type { ProxySettings } from './settings.ts'

/** Where clients reach the broker, whole and in the two parts that the Rexec clients are given. */
export function brokerOf({ broker: { clientAddress } }: Pick<ProxySettings, 'broker'>) {
  const [, host, port] = /^tcp:\/\/(.+):([0-9]+)$/.exec(clientAddress)!
  return { address: clientAddress, host: host!, port: port! }
}
