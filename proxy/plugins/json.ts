import type { FastifyInstance } from 'fastify'
import { RexecError } from '../../common/errors.ts'

const TOKENS = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/g

/**
 * JSON is the only content type, read strictly: valid UTF-8, no name twice in an object (parsers differ on which one
 * counts), no `__proto__`, and no deeper than `maxDepth`.
 */
export function addJsonBodies(app: FastifyInstance, maxDepth: number): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (_request: unknown, body: Buffer) => parseJson(body, maxDepth),
  )
}

/** @throws body_invalid */
export function parseJson(body: Buffer, maxDepth: number): unknown {
  let text: string
  let value: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body)
    value = JSON.parse(text)
  } catch {
    throw new RexecError('body_invalid', 'The body is not valid JSON in UTF-8.')
  }
  checkNames(text, maxDepth)
  return value
}

/** The text is known to be valid JSON, so braces, brackets and strings before a colon are all there is to see. */
function checkNames(text: string, maxDepth: number): void {
  const open: Set<string>[] = []
  for (const [token, colon] of text.matchAll(TOKENS)) {
    if (token === '{' || token === '[') {
      if (open.push(new Set()) > maxDepth) {
        throw new RexecError('body_invalid', `The body is nested deeper than ${maxDepth} levels.`)
      }
    } else if (token === '}' || token === ']') {
      open.pop()
    } else if (colon) {
      const name: string = JSON.parse(token.slice(0, -colon.length))
      const names = open.at(-1)!
      if (names.has(name)) throw new RexecError('body_invalid', 'A name stands twice in one object.')
      if (name === '__proto__') throw new RexecError('body_invalid', 'A name is not allowed.')
      names.add(name)
    }
  }
}
