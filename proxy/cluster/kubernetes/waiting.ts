import { Changes } from '../changes.ts'

/** Who waits for a change in which namespace. */
export function createWaiting() {
  const waiting = new Map<string, { changes: Changes; readers: number }>()
  const anywhere = new Changes()
  return {
    wake(namespace: string) {
      waiting.get(namespace)?.changes.notify()
      anywhere.notify()
    },
    wakeAll() {
      anywhere.notify()
      for (const { changes } of waiting.values()) changes.notify()
    },
    /** Resolves when anybody is woken, or when the signal aborts. */
    waitAnywhere: (signal: AbortSignal) => anywhere.wait(signal),
    /** Resolves when woken, after so many milliseconds, or when the signal aborts. */
    async wait(namespace: string, milliseconds: number, signal: AbortSignal): Promise<void> {
      const entry = waiting.get(namespace) ?? { changes: new Changes(), readers: 0 }
      waiting.set(namespace, entry)
      entry.readers += 1
      const timer = setTimeout(() => entry.changes.notify(), milliseconds)
      await entry.changes.wait(signal)
      clearTimeout(timer)
      entry.readers -= 1
      if (entry.readers === 0) waiting.delete(namespace)
    },
  }
}
