import { errorTable } from '../../common/errors.ts'
import { type Check, type Finding, fail, ok, warn } from './check.ts'
import { clockOf } from './clock.ts'
import { ask, below } from './http.ts'
import { reachBroker } from './reach.ts'

const AWAY =
  'Is this the address of the service, with its prefix (such as https://hub.example.org/services/rexec), and can this machine reach the hub?'

/** What a notebook needs: the service, a token that is good for it, a profile, a broker. */
export function serviceChecks(url: string, token: string | undefined): Check[] {
  const check = (group: string, name: string, run: Check['run']): Check => ({ group, name, run, todo: AWAY })
  const mine =
    (path: string, read: (json: Record<string, unknown>) => Finding): Check['run'] =>
    async (signal) => {
      if (!token) return warn(`${path} was not asked for, for want of a token`)
      const { status, json } = await ask(below(url, path), { token, signal })
      return status === 200 ? read(json) : refusal(status, json)
    }
  return [
    check('service', 'index', async (signal) => {
      const { status, json, headers } = await ask(below(url, '/'), { signal })
      if (json.service !== 'rexec') {
        const goesTo = headers.get('location')
        const answer = goesTo ? `redirects to ${goesTo.split('?', 1)[0]}` : `answers with status ${status}`
        return fail(`${url} ${answer}: rexec is not there`, AWAY)
      }
      return [ok(`rexec ${String(json.version)} answers at ${url}`), clockOf(headers, 'the service')]
    }),
    check('service', 'ready', async (signal) => {
      const { status, json } = await ask(below(url, '/readyz'), { signal })
      if (status === 200) return ok('it is ready to start servers')
      const checks = Object.entries((json.checks as Record<string, string> | undefined) ?? {})
      const wrong = checks.filter(([, how]) => how !== 'ok').map(([part, how]) => `${part}: ${how}`)
      return fail(
        `it is not ready (${wrong.join(', ') || `status ${status}`})`,
        'Tell your administrator, who finds out more with "rexec doctor" beside the proxy.',
      )
    }),
    check('you', 'token', async (signal) => {
      if (!token) {
        return fail(
          'there is no token',
          'Put it in the environment: REXEC_TOKEN, or JUPYTERHUB_API_TOKEN as in every notebook. Never on the command line.',
        )
      }
      return mine('/api/v1/user', ({ name, groups, allowedBy }) => {
        const of = Array.isArray(groups) && groups.length > 0 ? ` of ${groups.join(', ')}` : ''
        return ok(
          `you are ${String(name)}${of}${allowedBy ? `, let in by the group ${String(allowedBy)}` : ''}`,
        )
      })(signal)
    }),
    check(
      'you',
      'profiles',
      mine('/api/v1/profiles', ({ profiles }) => {
        const open = (profiles as { name: string; pythons: string[] }[] | undefined) ?? []
        if (open.length === 0)
          return fail('no profile is open to you', 'Ask your administrator for one that your groups may use.')
        return ok(
          `profiles: ${open.map(({ name, pythons }) => `${name} (Python ${pythons.join(', ')})`).join('; ')}`,
        )
      }),
    ),
    check('broker', 'broker', async (signal) => {
      if (!token) return warn('the address of the broker was not asked for, for want of a token')
      const { status, json } = await ask(below(url, '/api/v1/broker'), { token, signal })
      if (status !== 200) return refusal(status, json)
      return eitherBroker(json as unknown as BrokerAddress, signal)
    }),
  ]
}

interface BrokerAddress {
  address: string
  external?: { address: string }
}

/** One of the two addresses is enough: the one is for notebooks in the cluster, the other for everybody else. */
async function eitherBroker({ address, external }: BrokerAddress, signal: AbortSignal): Promise<Finding[]> {
  const findings = await Promise.all([
    reachBroker(address, 'notebooks', signal),
    ...(external ? [reachBroker(external.address, 'clients outside the cluster', signal)] : []),
  ])
  if (!findings.some(({ level }) => level === 'ok')) return findings
  return findings.map((finding) =>
    finding.level === 'ok' ? finding : warn(`${finding.what}; the other address will do here`),
  )
}

function refusal(status: number, { code, detail }: Record<string, unknown>): Finding {
  if (typeof code === 'string' && Object.hasOwn(errorTable, code)) {
    const { says } = errorTable[code as keyof typeof errorTable]
    return fail(`refused: ${code}${detail ? `: ${String(detail)}` : ''}`, says)
  }
  return fail(`refused with status ${status}`, AWAY)
}
