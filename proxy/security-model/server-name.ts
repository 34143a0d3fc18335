import { RexecError } from '../../common/errors.ts'

/** The server of a request that names none. */
export const DEFAULT_NAME = 'default'
/** RFC 1123 label: what names of Kubernetes objects and labels may be built from. */
const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/

/** @throws name_invalid */
export function approveServerName(name: unknown, maxLength: number): string {
  if (name === undefined) return DEFAULT_NAME
  if (typeof name === 'string' && name.length <= maxLength && LABEL.test(name)) return name
  throw new RexecError('name_invalid', `name must have 1 to ${maxLength} characters.`)
}
