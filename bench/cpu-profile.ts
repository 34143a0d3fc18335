/** The part of a .cpuprofile (V8's format, https://chromedevtools.github.io/devtools-protocol/v8/Profiler) we read. */
export interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[]
  /** Microseconds of the monotonic clock. */
  startTime: number
  samples: number[]
  /** Microseconds before each sample. */
  timeDeltas: number[]
}

export type Group = 'ours' | 'packages' | 'node net' | 'node other' | 'native' | 'GC' | 'program' | 'idle'

export interface SelfTime {
  group: Group
  /** Function with file and line. */
  name: string
  seconds: number
}

/**
 * Time spent in each function itself (without what it calls), longest first; what was before `since` (microseconds of
 * the monotonic clock) does not count.
 */
export function selfTimes({ nodes, startTime, samples, timeDeltas }: CpuProfile, since = 0): SelfTime[] {
  const byId = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  const totals = new Map<string, SelfTime>()
  let time = startTime
  samples.forEach((id, index) => {
    time += timeDeltas[index]!
    if (time < since) return
    const { functionName, url, lineNumber } = byId.get(id)!
    const place = url ? ` ${shortened(url)}:${lineNumber + 1}` : ''
    const name = `${functionName || '(anonymous)'}${place}`
    const total = totals.get(name) ?? { group: groupOf(functionName, url), name, seconds: 0 }
    total.seconds += timeDeltas[index]! / 1e6
    totals.set(name, total)
  })
  return [...totals.values()].sort((a, b) => b.seconds - a.seconds)
}

/** Seconds per group, longest first. */
export function groupTimes(times: SelfTime[]): [Group, number][] {
  const totals = new Map<Group, number>()
  for (const { group, seconds } of times) totals.set(group, (totals.get(group) ?? 0) + seconds)
  return [...totals].sort((a, b) => b[1] - a[1])
}

/**
 * `native` is C++ that JavaScript called, such as a write to a socket; `program` is all else outside of JavaScript,
 * such as libuv's reads.
 */
function groupOf(functionName: string, url: string): Group {
  if (functionName === '(idle)') return 'idle'
  if (functionName === '(garbage collector)') return 'GC'
  if (functionName.startsWith('(')) return functionName === '(anonymous)' ? 'ours' : 'program'
  if (!url) return 'native'
  if (/^node:(net|stream|events|internal\/(streams?|stream_base_commons|net)\b)/.test(url)) return 'node net'
  if (url.startsWith('node:')) return 'node other'
  return url.includes('/node_modules/') ? 'packages' : 'ours'
}

function shortened(url: string): string {
  return url.replace(/^file:\/\/.*?\/(?=(?:broker|bench|common|bin|node_modules)\/)/, '')
}
