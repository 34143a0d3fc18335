import type { ErrorCode } from '../../common/errors.ts'

/** Something that a hostile user might send to POST /api/v1/servers, and how it must be refused. */
export interface Attack {
  /** What it tries, as the end of "a user tries to ...". */
  tries: string
  /** Part of the body; `json` is a body as text, for what no object literal can say. */
  request?: object
  json?: string
  code: ErrorCode
}

/** Attacks of one kind: each value is put into a request by `request`. */
export function attacks<T>(
  code: ErrorCode,
  request: (value: T) => object,
  cases: Record<string, T>,
): Attack[] {
  return Object.entries(cases).map(([tries, value]) => ({ tries, request: request(value), code }))
}
