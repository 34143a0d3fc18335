/** Timers hold at most 2^31-1 ms, about 25 days. */
const LONGEST = 2 ** 31 - 1

/** Calls back after so many seconds, 0 meaning never. Returns a function that prevents it. */
export function after(seconds: number, callback: () => void): () => void {
  if (seconds === 0) return () => {}
  const end = performance.now() + seconds * 1000
  let timer: NodeJS.Timeout
  const arm = () => {
    const left = end - performance.now()
    timer = left > LONGEST ? setTimeout(arm, LONGEST) : setTimeout(callback, left)
  }
  arm()
  return () => clearTimeout(timer)
}
