import { RexecError } from '../common/errors.ts'

/**
 * Runs works of one key one after another and works of different keys side by side: two requests of one user must not
 * both find a name free. Holds within this process; across processes the cluster refuses a name that is taken.
 * @param maxWaiting works of one key that may wait or run; more reject with too_many_requests
 */
export function createTurns(maxWaiting: number): <T>(key: string, work: () => Promise<T>) => Promise<T> {
  const turns = new Map<string, { last: Promise<unknown>; count: number }>()
  return async (key, work) => {
    const turn = turns.get(key) ?? { last: Promise.resolve(), count: 0 }
    if (turn.count >= maxWaiting) throw new RexecError('too_many_requests')
    const mine = turn.last.then(work, work)
    turn.last = mine
    turn.count++
    turns.set(key, turn)
    try {
      return await mine
    } finally {
      turn.count--
      if (turn.count === 0) turns.delete(key)
    }
  }
}
