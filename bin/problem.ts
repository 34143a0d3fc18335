/** Something that the person at the terminal can put right: shown as its sentence, without a stack. */
export class Problem extends Error {
  readonly exitCode: number

  /** @param exitCode 1 for something missing or failed, 2 for a wrong command line */
  constructor(sentence: string, exitCode = 1) {
    super(sentence)
    this.name = 'Problem'
    this.exitCode = exitCode
  }
}
