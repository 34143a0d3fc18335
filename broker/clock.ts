/** A broker looks at its times more often than this (ms). */
const LONGEST_GAP = 300

let lastLook = 0
let stoodStill = 0

/**
 * Milliseconds, without those during which this process stood still, as nobody looked: a machine that was paused is no
 * reason to call its peers silent, who were paused with it or have spoken meanwhile.
 */
export function awakeTime(): number {
  const time = performance.now()
  stoodStill += Math.max(0, time - lastLook - LONGEST_GAP)
  lastLook = time
  return time - stoodStill
}
