/** Where a requirement stops being one: `what` says what was expected, never what was found. */
export class RequirementSyntaxError extends Error {
  constructor(what: string, position: number) {
    super(`${what} (at character ${position + 1})`)
    this.name = 'RequirementSyntaxError'
  }
}

/** Reads a text from left to right by sticky patterns. */
export class Scanner {
  readonly text: string
  position = 0

  constructor(text: string) {
    this.text = text
  }

  /** The text that `pattern` (flag y) matches here, or undefined. */
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.position
    const found = pattern.exec(this.text)?.[0]
    this.position += found?.length ?? 0
    return found
  }

  /** The same, with the spaces before it. */
  takeNext(pattern: RegExp): string | undefined {
    this.take(/ */y)
    return this.take(pattern)
  }

  expect(pattern: RegExp, what: string): string {
    return this.takeNext(pattern) ?? this.fail(what)
  }

  get atEnd(): boolean {
    this.take(/ */y)
    return this.position === this.text.length
  }

  fail(what: string, position = this.position): never {
    throw new RequirementSyntaxError(what, position)
  }
}
