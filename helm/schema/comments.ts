import { isMap, LineCounter, type Pair, parseDocument, type Scalar, type YAMLMap } from 'yaml'

/** A key of values.yaml with its comment. */
export interface Value {
  /** With dots. */
  path: string
  /** What the comment above it says. */
  description: string
  /** "# -- …" stands above it; without it is a section of such keys. */
  isDocumented: boolean
  fallback: unknown
}

/** The keys of values.yaml in their order, each section before its keys. */
export function commentedValues(text: string): Value[] {
  const lines = text.split('\n')
  const counter = new LineCounter()
  const document = parseDocument(text, { lineCounter: counter })
  return valuesOf(document.contents as YAMLMap, document.toJS(), '')

  function valuesOf(map: YAMLMap, plain: Record<string, unknown>, within: string): Value[] {
    return (map.items as Pair<Scalar<string>>[]).flatMap(({ key: { value: name, range }, value }) => {
      const path = within ? `${within}.${name}` : name
      const comment = commentAbove(counter.linePos(range![0]).line - 1)
      const here = { path, ...comment, fallback: plain[name] }
      if (!isMap(value) || comment.isDocumented) return [here]
      return [here, ...valuesOf(value, plain[name] as Record<string, unknown>, path)]
    })
  }

  /** The comment right above a line, from its "-- " on if it has one. */
  function commentAbove(line: number): Pick<Value, 'isDocumented' | 'description'> {
    const comment: string[] = []
    while (line > 0 && /^\s*#/.test(lines[line - 1]!)) {
      line -= 1
      comment.unshift(lines[line]!.replace(/^\s*# ?/, ''))
    }
    const start = comment.findLastIndex((text) => text.startsWith('-- '))
    const said = start === -1 ? comment : [comment[start]!.slice(3), ...comment.slice(start + 1)]
    return { isDocumented: start !== -1, description: said.join(' ').trim() }
  }
}
