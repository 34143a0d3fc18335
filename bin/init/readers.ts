import { isIP } from 'node:net'
import { parseQuantity } from '../../proxy/security-model/quantity.ts'

/** Why an answer will not do, as a sentence. */
export class Refusal extends Error {}

export const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/
export const NONE = '-'

export function matching(form: RegExp, wanted: string) {
  return (text: string) => {
    if (form.test(text)) return text
    throw new Refusal(wanted)
  }
}

export function oneOf<T extends string>(...choices: T[]) {
  return (text: string): T => {
    const choice = choices.find((one) => one === text.toLowerCase())
    if (choice) return choice
    throw new Refusal(`Answer ${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}.`)
  }
}

/** "-" says: none. */
export function orNone<T>(read: (text: string) => T, none: T) {
  return (text: string): T => (text === NONE || text === '' ? none : read(text))
}

export function listOf(read: (text: string) => string) {
  return (text: string) => [
    ...new Set(
      text
        .split(',')
        .map((part) => part.trim())
        .filter(Boolean)
        .map(read),
    ),
  ]
}

export function readUrl(text: string): string {
  const url = URL.parse(text)
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.search || url.hash) {
    throw new Refusal('Give an address such as https://hub.example.org/, without user, query and fragment.')
  }
  return url.href
}

export function readAddress(text: string): string {
  const address = /^(?:tcp:\/\/)?(\[[0-9a-fA-F:.]+\]|[\w.-]+):([0-9]{1,5})$/.exec(text)
  const [, host = '', port = ''] = address ?? []
  const isHost = host.startsWith('[') ? isIP(host.slice(1, -1)) === 6 : host !== ''
  if (!isHost || Number(port) < 1 || Number(port) > 65_535) {
    throw new Refusal('Give host and port, such as rexec.example.org:30559.')
  }
  return `tcp://${host}:${port}`
}

/** At least what a profile's smallest server has. */
export function quantityFrom(least: string, example: string) {
  return (text: string): string => {
    try {
      if (parseQuantity(text) >= parseQuantity(least)) return text
    } catch {}
    throw new Refusal(`Give an amount such as ${example}, at least ${least}.`)
  }
}
