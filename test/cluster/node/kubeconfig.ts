import { readFile, writeFile } from 'node:fs/promises'
import type { Certificate } from './pki.ts'

interface Options {
  url: string
  /** Path of the PEM file. */
  authority: string
  user: Certificate | { token: string }
}

/** Writes a kubeconfig (JSON is YAML) that refers to no other file. @returns path */
export async function writeKubeconfig(path: string, { url, authority, user }: Options): Promise<string> {
  const credentials =
    'token' in user
      ? user
      : {
          'client-certificate-data': await base64(user.certificate),
          'client-key-data': await base64(user.key),
        }
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: 'test', cluster: { server: url, 'certificate-authority-data': await base64(authority) } },
    ],
    users: [{ name: 'test', user: credentials }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    'current-context': 'test',
  }
  await writeFile(path, JSON.stringify(config), { mode: 0o600 })
  return path
}

function base64(path: string): Promise<string> {
  return readFile(path, 'base64')
}
