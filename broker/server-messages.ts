import type { Static, TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { ServerInfo, ServerState } from '../common/protocol.ts'

/** READY / version / credential / json */
export interface Ready {
  version: string
  credential: string
  info: ServerInfo
}

/** Undefined when the message does not follow the grammar. */
export function parseReady(frames: Buffer[]): Ready | undefined {
  const [, version, credential, json] = frames.map(String)
  const info = parse(ServerInfo, json)
  if (frames.length !== 4 || version === undefined || credential === undefined || !info) return undefined
  return { version, credential, info }
}

/** STATE / json; undefined when the message does not follow the grammar. */
export function parseState(frames: Buffer[]): ServerState | undefined {
  return parse(ServerState, frames[1]?.toString())
}

function parse<T extends TSchema>(schema: T, json = ''): Static<T> | undefined {
  try {
    const value: unknown = JSON.parse(json)
    return Value.Check(schema, value) ? value : undefined
  } catch {
    return undefined
  }
}
