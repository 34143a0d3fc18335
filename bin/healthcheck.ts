import { parseArgs } from 'node:util'
import { Problem } from './problem.ts'

/** A proxy and a broker with the usual ports and prefix. */
const USUAL = ['http://127.0.0.1:10101/services/rexec/healthz', 'http://127.0.0.1:9559/healthz']
/** The answer must come within this time, in milliseconds: less than the HEALTHCHECK of the image gives. */
const PATIENCE = 4000

/** `rexec healthcheck [URL]`: says whether a proxy or broker beside it is alive, by exit code 0 or 1. */
export async function main(args: string[]): Promise<void> {
  const { positionals } = parseArgs({ args, allowPositionals: true, options: {} })
  if (positionals.length > 1) throw new Problem('Say one URL at most: rexec healthcheck [URL].', 2)
  const [url] = positionals
  if (url !== undefined && !/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
    throw new Problem(`${JSON.stringify(url)} is not an http or https URL.`, 2)
  const urls = url === undefined ? USUAL : [url]
  const answers = await Promise.all(urls.map(ask))
  const alive = answers.indexOf('200')
  if (alive < 0) {
    const said = urls.map((url, index) => `${url}: ${answers[index]}`).join('; ')
    const hint = url === undefined ? ' With other ports or another prefix, say the URL of /healthz.' : ''
    throw new Problem(`Not healthy: ${said}.${hint}`)
  }
  process.stdout.write(`${urls[alive]} answers.\n`)
}

/** The status, or why there is none. */
async function ask(url: string): Promise<string> {
  try {
    const { status, body } = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(PATIENCE) })
    await body?.cancel()
    return String(status)
  } catch (error) {
    const { name, message, cause } = error as Error & { cause?: NodeJS.ErrnoException }
    return name === 'TimeoutError' ? `no answer in ${PATIENCE / 1000} s` : (cause?.code ?? message)
  }
}
