import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createSigner, generateSigningKey } from '../common/tokens.ts'
import { Problem } from './problem.ts'

/**
 * `rexec keys --out DIR`: makes what proxy and broker need to trust one another. The signing key is for the proxy
 * alone, the public keys for the brokers, the broker credential for both. Files that exist are never written over.
 */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { out: { type: 'string' } } })
  if (!values.out) throw new Problem('Say where to write the keys: rexec keys --out DIR.', 2)
  const signingKey = await generateSigningKey()
  const { publicKeys } = await createSigner(signingKey)
  await mkdir(values.out, { recursive: true, mode: 0o700 })
  const files: [name: string, text: string, mode: number][] = [
    ['signing-key.json', JSON.stringify(signingKey), 0o600],
    ['public-keys.json', JSON.stringify(publicKeys), 0o644],
    ['broker-credential', randomBytes(32).toString('base64url'), 0o600],
  ]
  for (const [name, text, mode] of files) {
    const file = join(values.out, name)
    await writeFile(file, `${text}\n`, { mode, flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
      throw new Problem(
        `${file} exists already. Remove it first if you want new keys; running servers lose theirs.`,
      )
    })
    process.stdout.write(`${file}\n`)
  }
}
