import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

/** Folders of rexec in the user's home, as the XDG base directory specification has them. */
export function stateFolder(name: string): string {
  return join(base('XDG_STATE_HOME', '.local/state'), 'rexec', name)
}

export function cacheFolder(name: string): string {
  return join(base('XDG_CACHE_HOME', '.cache'), 'rexec', name)
}

function base(variable: string, fallback: string): string {
  const folder = process.env[variable]
  // The specification: a path that is not absolute is to be ignored.
  return folder && isAbsolute(folder) ? folder : join(homedir(), fallback)
}
