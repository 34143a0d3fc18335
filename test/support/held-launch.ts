/**
 * `node held-launch.ts KUBECONFIG STEP`: starts a server of alice as a proxy does, and stands still for ever before it
 * writes the STEPth object of Job, Secret and Job again (1 to 3), or after all (4). Says "held" then: it can be killed.
 */
import { Registry } from '../../common/metrics.ts'
import { type Api, connect } from '../../proxy/cluster/kubernetes/api.ts'
import { createLaunch } from '../../proxy/cluster/kubernetes/launch.ts'
import { createNamespaces } from '../../proxy/cluster/kubernetes/namespace.ts'
import { approvedServer, kubernetesSettings } from './kubernetes.ts'
import { BROKERS } from './kubernetes-cluster.ts'
import { keptLog } from './log.ts'
import { alice } from './security-model.ts'

const [kubeconfig = '', step] = process.argv.slice(2)
const settings = kubernetesSettings({ kubeconfig })
const api = connect(settings, new Registry())
let writes = 0

async function hold(): Promise<void> {
  writes++
  if (writes !== Number(step)) return
  process.stdout.write('held\n')
  setInterval(() => {}, 1000)
  await new Promise(() => {})
}

const held: Api = {
  ...api,
  create: async (object) => {
    await hold()
    return api.create(object)
  },
  patch: async (object, change) => {
    await hold()
    return api.patch(object, change)
  },
}

const namespace = await createNamespaces(api, settings).ensure(alice)
const launch = createLaunch(held, settings, BROKERS, keptLog().logger)
await launch(namespace, approvedServer(), { credential: 'header.payload.signature' })
await hold()
