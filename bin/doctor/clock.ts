import { type Finding, ok, warn } from './check.ts'

/** Seconds by which clocks may differ before tokens are refused (common/tokens.ts). */
const TOLERANCE = 5

/** This clock against the Date of an answer that has just come. It counts whole seconds. */
export function clockOf(headers: Headers | Record<string, string>, whose: string): Finding {
  const date = headers instanceof Headers ? headers.get('date') : headers.date
  const there = Date.parse(date ?? '')
  if (Number.isNaN(there)) return warn(`${whose} does not say what time it is`)
  const seconds = Math.round((Date.now() - there) / 1000)
  if (Math.abs(seconds) <= TOLERANCE) return ok(`the clocks of ${whose} and this machine agree`)
  return warn(
    `this clock is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} that of ${whose}`,
    'Let all nodes keep time by NTP: tokens are refused as expired, or as not valid yet.',
  )
}
