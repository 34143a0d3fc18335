import { createHash } from 'node:crypto'
import { lstat, mkdir, mkdtemp, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RexecError } from '../../../common/errors.ts'

/** File in a user's folder that holds the exact name of its owner. */
const OWNER = 'owner'

/**
 * The name of a folder for any text: names of users and servers never become paths. 160 bits of SHA-256, so that
 * no two names share a folder by chance or by design.
 */
export function folderName(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 40)
}

/**
 * Makes or finds the folder of a user below `users`; the owner is recorded at the first time and checked ever after.
 * @throws namespace_not_owned when it is somebody else's, or not a folder of our own.
 */
export async function ensureUserFolder(users: string, user: string): Promise<string> {
  const folder = join(users, folderName(user))
  await mkdir(users, { recursive: true, mode: 0o700 })
  await mkdir(folder, { mode: 0o700 }).catch(unlessItExists)
  const status = await lstat(folder)
  if (!status.isDirectory() || status.uid !== process.getuid?.()) throw new RexecError('namespace_not_owned')
  await writeFile(join(folder, OWNER), user, { flag: 'wx', mode: 0o600 }).catch(unlessItExists)
  if ((await readFile(join(folder, OWNER), 'utf8')) !== user) throw new RexecError('namespace_not_owned')
  return folder
}

/** A Unix socket's path holds 107 bytes; this much of it may be the folder for temporary files. */
const MAX_TMPDIR = 60

/**
 * Makes a folder with a short path for sockets, since the state folder's may be too long for them. The link `runtime`
 * in the state folder leads to it; what an earlier one leads to is removed.
 */
export async function makeRuntimeFolder(stateFolder: string): Promise<string> {
  const link = join(stateFolder, 'runtime')
  const earlier = await readlink(link).catch(() => undefined)
  if (earlier) await rm(earlier, { recursive: true, force: true })
  await rm(link, { force: true })
  const folder = await mkdtemp(join(tmpdir().length > MAX_TMPDIR ? '/tmp' : tmpdir(), 'rexec-'))
  await symlink(folder, link)
  return folder
}

function unlessItExists(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}
