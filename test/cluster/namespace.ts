import type { ApiServer } from './api-server.ts'

/** Waits for what controllers put into new namespaces: pods are refused before, and a listing would still change. */
export async function untilSettled({ kubectl }: ApiServer, ...names: string[]): Promise<void> {
  const made = ['serviceaccount/default', 'configmap/kube-root-ca.crt']
  await Promise.all(
    names.map((name) => kubectl('wait', '--for=create', `--namespace=${name}`, '--timeout=120s', ...made)),
  )
}
