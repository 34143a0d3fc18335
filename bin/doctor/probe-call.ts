import { randomUUID } from 'node:crypto'
import { parseAddress } from '../../common/address.ts'
import type { Signer } from '../../common/tokens.ts'
import { type Finding, fail, ok, reasonOf } from './check.ts'
import { ZmtpClient } from './zmtp-client.ts'

/** Seconds for which the token of such a call is valid. */
const LIFETIME = 60

/**
 * A call to a server that nobody has, with a token signed by this proxy's key. The answer "no_server" shows the whole
 * round: the broker knows the key, reaches the proxy, and its credential is the right one. Nothing is started.
 * @param user one who may have a namespace
 */
export async function probeCall(
  address: string,
  signer: Signer,
  user: string,
  signal: AbortSignal,
): Promise<Finding> {
  const server = `doctor-${randomUUID().slice(0, 8)}`
  const { token } = await signer.sign('exec', { user, server }, LIFETIME)
  const { host, port } = parseAddress(address)
  let client: ZmtpClient | undefined
  let isAsked = false
  try {
    client = await ZmtpClient.connect(host, port, signal)
    if (!(await client.greet())) throw new Error('what answers there is no broker')
    await client.handshake()
    client.send('', token, 'function', 'arguments')
    isAsked = true
    return judge(address, (await client.receive()).at(-1)!)
  } catch (error) {
    if (isAsked && signal.aborted) {
      return fail(
        `the broker at ${address} took a token of this proxy, but cannot ask the proxy back`,
        "Look at the broker's log. Correct its proxy.url, its credential, or the NetworkPolicy between broker and proxy.",
      )
    }
    const reason = signal.aborted ? 'no answer in time' : reasonOf(error)
    return fail(`the broker at ${address} could not be called: ${reason}`)
  } finally {
    client?.close()
  }
}

/** The event is a pickled dict; its sentence ends with the code in brackets (C7). */
function judge(address: string, event: Buffer): Finding {
  const code = /\[([a-z_]+)\]/.exec(event.toString('latin1'))?.[1]
  if (code === 'no_server') return ok(`the broker at ${address} takes this proxy's tokens and asks it back`)
  if (code === 'token_invalid') {
    return fail(
      `the broker at ${address} does not take a token that this proxy has signed: it has other keys`,
      'Give proxies one signing key, and the broker its public half (publicKeysFile, or leave that out so that it asks the proxy); look at the clocks of both, too.',
    )
  }
  return fail(`the broker at ${address} answered a call with ${code ?? 'an unknown event'}`)
}
