/** One answer of a server, of what came back on a connection. */
export interface Answer {
  status: number
  /** The code of a problem. */
  code: string | undefined
  body: string
}

/** Cuts what came back into answers. @throws Error when that is not possible */
export function answersIn(bytes: Buffer): Answer[] {
  const answers: Answer[] = []
  let rest = bytes
  while (rest.length > 0) {
    const end = rest.indexOf('\r\n\r\n')
    const head = rest.subarray(0, end).toString('latin1')
    const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(head) ?? []
    if (end < 0 || !status)
      throw new Error(`no answer of HTTP/1.1: ${rest.subarray(0, 100).toString('latin1')}`)
    const { body, length } = bodyOf(rest.subarray(end + 4), head)
    rest = rest.subarray(end + 4 + length)
    if (status !== '100') answers.push({ status: Number(status), code: codeOf(head, body), body })
  }
  return answers
}

function bodyOf(rest: Buffer, head: string): { body: string; length: number } {
  const length = /^content-length: *(\d+)$/im.exec(head)?.[1]
  if (length !== undefined)
    return { body: rest.subarray(0, Number(length)).toString(), length: Number(length) }
  if (!/^transfer-encoding: *chunked$/im.test(head)) return { body: '', length: 0 }
  const end = rest.indexOf('0\r\n\r\n')
  return { body: rest.subarray(0, end).toString(), length: end + 5 }
}

function codeOf(head: string, body: string): string | undefined {
  return /^content-type: application\/problem\+json/im.test(head) ? JSON.parse(body).code : undefined
}
