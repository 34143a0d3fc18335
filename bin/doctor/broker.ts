import { readFile } from 'node:fs/promises'
import { isIPv6 } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import type { BrokerSettings } from '../../broker/settings.ts'
import { type PublicKeys, parsePublicKeys } from '../../common/keys.ts'
import type { Signer } from '../../common/tokens.ts'
import type { ProxySettings } from '../../proxy/settings.ts'
import { type Check, type Finding, fail, ok, warn } from './check.ts'
import { clockOf } from './clock.ts'
import { ask, below } from './http.ts'
import { probeCall } from './probe-call.ts'
import { isForItself, reachBroker, reachBrokers } from './reach.ts'

const group = 'broker'

/**
 * From beside the proxy: the addresses that it hands out, and whether who answers there trusts it.
 * @param given users who alone have a namespace, in mode given
 */
export function brokerChecks(
  { clientAddress, externalAddress, serverAddresses }: ProxySettings['broker'],
  given: readonly string[],
  signer: () => Promise<Signer | undefined>,
): Check[] {
  const reach = (name: string, address: string, whose: string): Check => ({
    group,
    name,
    run: (signal) => reachBroker(address, whose, signal),
  })
  return [
    reach('clients', clientAddress, 'notebooks'),
    ...(externalAddress ? [outside(reach('outside', externalAddress, 'clients outside the cluster'))] : []),
    ...serverAddresses.map((address) => ({
      group,
      name: 'servers',
      run: (signal: AbortSignal) => reachBrokers(address, 'servers', signal),
    })),
    {
      group,
      name: 'call',
      async run(signal) {
        const key = await signer()
        if (!key) return warn('no call was tried, for want of a signing key')
        return probeCall(clientAddress, key, given[0] ?? 'rexec doctor', signal)
      },
    },
  ]
}

/** Not everybody may go out of the cluster and come back in. */
function outside(check: Check): Check {
  return {
    ...check,
    run: async (signal) => {
      const finding = (await check.run(signal)) as Finding
      if (finding.level === 'ok') return finding
      return warn(
        `${finding.what}; from within the cluster that may be so`,
        'Try it from outside: rexec doctor --url, or docs/user/check.py.',
      )
    },
  }
}

/** What the broker, or whoever stands beside it, asks of the proxy. */
export function proxyChecks(place: {
  url: string
  credential: () => Promise<string | undefined>
  /** It may run on another machine, with another clock. */
  isElsewhere?: boolean
  /** The public keys that must be those of the proxy, and whose they are. */
  keys?: { whose: string; read(): Promise<PublicKeys | undefined> }
}): Check[] {
  const { url, credential, isElsewhere = false, keys } = place
  const away = `Does the proxy run, and is ${url} where it listens, with its prefix? Do the NetworkPolicies let this through?`
  const checks: Check[] = [
    {
      group: 'proxy',
      name: 'ready',
      todo: away,
      async run(signal) {
        const { status, json, headers } = await ask(below(url, '/readyz'), { signal })
        if (status === 200) {
          return [ok(`the proxy at ${url} is ready`), ...(isElsewhere ? [clockOf(headers, 'the proxy')] : [])]
        }
        if (status !== 503 || typeof json.checks !== 'object') {
          return fail(`${url} answers with status ${status}: it is not rexec`, away)
        }
        const wrong = Object.entries(json.checks as Record<string, string>).filter(([, how]) => how !== 'ok')
        return fail(
          `the proxy is not ready: ${wrong.map(([part, how]) => `${part} (${how})`).join(', ')}`,
          'The checks of the hub and the cluster beside the proxy say more, and so does its log.',
        )
      },
    },
    {
      group: 'proxy',
      name: 'credential',
      todo: away,
      async run(signal) {
        const token = await credential()
        if (!token) return warn('whether the proxy takes the broker credential was not tried, for want of it')
        const address = below(url, '/api/v1/token-reviews')
        const { status, json } = await ask(address, { token, signal, json: { token: 'rexec-doctor' } })
        // That it does not know this token is what it should say.
        if (status === 200 || json.code === 'token_invalid')
          return ok('the proxy takes the broker credential')
        if (json.code === 'broker_only') {
          return fail(
            'the proxy has another broker credential',
            'Give both the same Secret, and restart whoever has not read it since it was changed.',
          )
        }
        return warn(`the proxy answers a token review with ${String(json.code ?? `status ${status}`)}`)
      },
    },
  ]
  if (!keys) return checks
  return [
    ...checks,
    {
      group: 'proxy',
      name: 'keys',
      todo: away,
      async run(signal) {
        const wanted = await keys.read()
        if (!wanted) return warn(`the keys of the proxy were not compared, for want of ${keys.whose}`)
        const { status, json } = await ask(below(url, '/.well-known/jwks.json'), { signal })
        if (status !== 200) return fail(`the proxy does not tell its public keys (status ${status})`, away)
        const there = parsePublicKeys(json).keys
        const has = ({ kid, x }: PublicKeys['keys'][number]) =>
          there.some((key) => isDeepStrictEqual([key.kid, key.x], [kid, x]))
        if (wanted.keys.some(has)) return ok(`the proxy signs with a key that fits ${keys.whose}`)
        return fail(
          `the proxy signs with a key that does not fit ${keys.whose}`,
          'Give all proxies one signing key and restart them; brokers without publicKeysFile ask the proxy.',
        )
      },
    },
  ]
}

/** From beside a broker: its files, where it listens, and the proxy as it reaches it. */
export function besideBroker(settings: BrokerSettings): Check[] {
  const { clients, servers, proxy, publicKeysFile } = settings
  const file = async () => (await readFile(proxy.credentialFile, 'utf8')).trim()
  const listens = (name: string, { host, port }: BrokerSettings['clients']): Check => ({
    group,
    name,
    run: (signal) => reachBroker(`tcp://${hereOf(host)}:${port}`, name, signal),
  })
  return [
    {
      group,
      name: 'listens-for-others',
      run: async () =>
        [clients, servers].flatMap(({ host, port }) =>
          isForItself(host)
            ? warn(
                `port ${port} is for this machine or pod alone (${host})`,
                'In a cluster set host: 0.0.0.0 (or "::").',
              )
            : [],
        ),
    },
    listens('clients', clients),
    listens('servers', servers),
    {
      group,
      name: 'credential-file',
      todo: 'Mount the Secret with the broker credential there, readable for the user of the process.',
      run: async () =>
        (await file()) ? ok('the broker credential is there') : fail('the broker credential is empty'),
    },
    ...proxyChecks({
      url: proxy.url,
      credential: file,
      isElsewhere: true,
      ...(publicKeysFile && {
        keys: {
          whose: publicKeysFile,
          read: async () => parsePublicKeys(JSON.parse(await readFile(publicKeysFile, 'utf8'))),
        },
      }),
    }),
  ]
}

/** How a process beside it reaches what listens on this address, or on all; as it stands in a URL. */
export function hereOf(host: string): string {
  const here = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return isIPv6(here) ? `[${here}]` : here
}
