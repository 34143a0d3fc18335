/** Milliseconds of the processor that a work takes in this process; what else the machine does hardly counts. */
export function cpuTime(work: () => unknown): number {
  const begin = process.cpuUsage()
  work()
  return process.cpuUsage(begin).user / 1000
}
