import { KBATCH_VENV } from '../bench/proxy/kbatch.ts'
import { cacheFolder } from '../bin/folders.ts'
import { ensureVenv } from '../bin/venv.ts'
import { apiServerMissing, given } from './cluster/api-server.ts'
import { nodeClusterMissing } from './cluster/node/missing.ts'
import { chartDefinitions, helmMissing } from './cluster/tools.ts'
import { promqlPython } from './helm/promql.ts'
import { HUB_VERSIONS, hubProgram } from './hub/hub.ts'
import { notebookPrograms } from './hub/notebook-server.ts'
import { client, clientOn, clientPython, clientPythons, clients } from './support/clients.ts'
import { TIERS, type Tier } from './tiers.ts'

type Say = (line: string) => void

/** Makes what the tests need and the cache does not have yet: within a test the time for it would count. */
export async function prepare(tiers: Iterable<Tier>, say: Say): Promise<void> {
  const preparations: Record<Tier, ((say: Say) => Promise<void>)[]> = {
    unit: [makePythons],
    api: [makeApiServer, makeHelm],
    node: [makeHelm, makeNode],
  }
  for (const make of new Set([...tiers].flatMap((tier) => preparations[tier]))) {
    const start = Date.now()
    await make(say)
    say(`  ${Math.round((Date.now() - start) / 1000)} s`)
  }
}

async function makePythons(say: Say): Promise<void> {
  say(`Python environments are kept in ${cacheFolder('venvs')}; missing ones are made now (minutes, once).`)
  const versions = Object.entries(await clientPythons())
  const makings: [name: string, making: Promise<string>][] = [
    ...clients.map((client) => [client.name, clientPython(client)] as [string, Promise<string>]),
    ...versions.map(
      ([version, path]) =>
        [`${client.name}, Python ${version}`, clientOn(version, path)] as [string, Promise<string>],
    ),
    ...HUB_VERSIONS.map(
      (version) => [`JupyterHub ${version}`, hubProgram(version)] as [string, Promise<string>],
    ),
    ['notebook server', notebookPrograms()],
  ]
  for (const [name, making] of makings) {
    await making.then(
      () => say(`  ${name}`),
      (error: Error) => say(`  ${name} cannot be had: ${error.message}`),
    )
  }
}

async function makeApiServer(say: Say): Promise<void> {
  if (given) say(`Tests use the cluster of REXEC_TEST_KUBECONFIG, ${given}.`)
  else
    say(`A Kubernetes API server is kept in ${cacheFolder('tools')}; if missing, it is built now (minutes).`)
  const missing = await apiServerMissing((line) => say(`  ${line}`))
  say(`  ${missing ? `Left out: ${missing}` : 'It is there.'}`)
  await ensureVenv(KBATCH_VENV.name, { packages: KBATCH_VENV.packages }).then(
    () => say('  kbatch-proxy, for the bench'),
    (error: Error) => say(`  kbatch-proxy, for the bench, cannot be had: ${error.message}`),
  )
}

async function makeHelm(say: Say): Promise<void> {
  say(`Helm is kept in ${cacheFolder('tools')}; if missing, it is built now (minutes).`)
  const missing = await helmMissing((line) => say(`  ${line}`))
  if (missing) return say(`  Left out: ${missing}`)
  await Promise.all([chartDefinitions((line) => say(`  ${line}`)), promqlPython()]).then(
    () => say('  It is there, and what the tests of the chart need beside it.'),
    (error: Error) => say(`  What the tests of the chart need beside it cannot be had: ${error.message}`),
  )
}

async function makeNode(say: Say): Promise<void> {
  const missing = await nodeClusterMissing()
  if (missing) return say(`A cluster of one node is left out: ${missing}`)
  if (given) return
  say(
    `Programs and images of a cluster of one node are kept in ${cacheFolder('')}; missing ones are made now.`,
  )
  const { prepareNodeCluster } = await import('./cluster/node/node.ts')
  const { hubImage, QUICKSTART_PACKAGES } = await import('./cluster/node/hub/hub.ts')
  const tell: Say = (line) => say(`  ${line}`)
  try {
    await prepareNodeCluster({}, tell)
    await prepareNodeCluster({ packages: QUICKSTART_PACKAGES, images: [await hubImage(tell)] }, tell)
    say('  It is there.')
  } catch (error) {
    say(`  It cannot be had: ${(error as Error).message}`)
  }
}

/** `npm run test:prepare`: everything, so that its time is seen by itself. */
if (import.meta.main) await prepare(TIERS, (line) => process.stdout.write(`${line}\n`))
