import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { runProgram } from './program.ts'

/** A tar with its digest, as images are made of. */
export interface Layer {
  path: string
  /** sha256:… */
  digest: string
  size: number
}

/** Options of tar that make the same files the same layer, with root as their owner. */
export const OURS = ['--owner=0', '--group=0', '--numeric-owner', '--mtime=@0', '--sort=name']

/** Makes FOLDER/layer.tar. @param args what tar takes: options and names */
export async function makeLayer(folder: string, args: string[]): Promise<Layer> {
  const path = join(folder, 'layer.tar')
  await runProgram('tar', [
    '--create',
    `--file=${path}.draft`,
    '--format=pax',
    '--pax-option=delete=atime,delete=ctime',
    ...args,
  ])
  await rename(`${path}.draft`, path)
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  await writeFile(`${path}.sha256`, hash.digest('hex'))
  return readLayer(folder)
}

/** The layer that makeLayer() has made in the folder, wherever that was then. */
export async function readLayer(folder: string): Promise<Layer> {
  const path = join(folder, 'layer.tar')
  return { path, digest: `sha256:${await readFile(`${path}.sha256`, 'utf8')}`, size: (await stat(path)).size }
}
