/** The figures of several rounds. */
export interface Summary {
  median: number
  min: number
  max: number
  rounds: number[]
}

export function summarize(rounds: number[]): Summary {
  const sorted = rounds.toSorted((a, b) => a - b)
  return { median: quantile(sorted, 0.5), min: sorted[0]!, max: sorted.at(-1)!, rounds }
}

/** The value below which `part` (0 to 1) of the sorted values lie, between two values in proportion. */
export function quantile(sorted: number[], part: number): number {
  const place = (sorted.length - 1) * part
  const below = sorted[Math.floor(place)]!
  return below + (sorted[Math.ceil(place)]! - below) * (place % 1)
}

/**
 * Runs every contender once in each round, in turn and every other round backwards, so that whatever else the
 * machine does meets all of them alike. Gives each contender's figure of every round. On a slow machine no round
 * begins when `seconds` are over.
 */
export async function alternate<Name extends string>(
  count: number,
  contenders: Record<Name, () => Promise<number>>,
  seconds = Number.POSITIVE_INFINITY,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(contenders) as Name[]
  const figures = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>
  const end = performance.now() + seconds * 1000
  for (let round = 0; round < count && (round === 0 || performance.now() < end); round++) {
    for (const name of round % 2 ? names.toReversed() : names) figures[name].push(await contenders[name]())
  }
  return figures
}

/** Ratio of two contenders' figures, taken within each round. */
export function ratio(figures: number[], peers: number[]): Summary {
  return summarize(figures.map((figure, round) => figure / peers[round]!))
}
