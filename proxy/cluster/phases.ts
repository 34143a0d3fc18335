import type { Phase } from '../pipeline.ts'

/** The most useful phase first: calls flow as soon as one replica is ready. */
const ORDER: readonly Phase[] = [
  'ready',
  'installing',
  'starting',
  'pending',
  'stopping',
  'failed',
  'stopped',
]

/** The state of a server whose replicas are in these states; undefined when there are none. */
export function together<T extends { phase: Phase; message: string }>(states: readonly T[]): T | undefined {
  const best = ORDER.map((phase) => states.find((state) => state.phase === phase)).find(Boolean)
  const losses = states.filter(({ phase }) => phase === 'failed')
  if (!best || losses.length === 0 || best.phase === 'failed') return best
  return { ...best, message: `${losses.length} of ${states.length} replicas failed: ${losses[0]!.message}` }
}
