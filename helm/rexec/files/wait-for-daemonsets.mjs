// node --input-type=module --eval: the arguments begin at 1.
// Ends when the DaemonSets named are ready on every node that they are for: then their images are there.
import { readFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'

const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'
const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env
const namespace = await readFile(`${ACCOUNT}/namespace`, 'utf8')
const api = `https://${host.includes(':') ? `[${host}]` : host}:${port}/apis/apps/v1/namespaces/${namespace}/daemonsets`

async function progress(name) {
  const token = await readFile(`${ACCOUNT}/token`, 'utf8')
  const answer = await fetch(`${api}/${name}`, {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(10_000),
  })
  if (!answer.ok) throw new Error(`status ${answer.status}`)
  const { metadata, status } = await answer.json()
  const { observedGeneration = 0, desiredNumberScheduled: all = 0, numberReady: ready = 0 } = status
  return { done: observedGeneration >= metadata.generation && ready >= all, text: `${ready} of ${all} nodes` }
}

for (const name of process.argv.slice(1)) {
  for (let last; ; await setTimeout(2000)) {
    // An API server that does not answer for a moment is asked again; the Job has a deadline.
    const { done, text } = await progress(name).catch((error) => ({ done: false, text: error.message }))
    if (text !== last) console.log(`${name}: ${text}`)
    if (done) break
    last = text
  }
}
