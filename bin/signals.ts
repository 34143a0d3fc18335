/** Resolves at the first signal to end; a second one ends this process at once (its servers notice). */
export function untilTold(): Promise<void> {
  const told = Promise.withResolvers<void>()
  let signals = 0
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      signals += 1
      if (signals > 1) process.exit(1)
      told.resolve()
    })
  }
  return told.promise
}
