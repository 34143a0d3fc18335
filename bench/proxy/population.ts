import { objectName, ownerHash } from '../../proxy/cluster/kubernetes/names.ts'
import { namespaceName } from '../../proxy/security-model/namespace-name.ts'
import { asSent, type JobObject } from './bare-job.ts'
import { NODE } from './fake-node.ts'
import type { Kube, Named } from './kube.ts'
import { inFlight } from './load.ts'
import type { RexecProxy } from './rexec.ts'

/** Objects that are made at the same time. */
const IN_FLIGHT = 16
const PREFIX = 'rexec-'
/** Whose namespace and Job, made by rexec itself, are copied. Neither name is part of anything else in them. */
const MODEL = { user: 'model-of-all-users', server: 'model-of-all-servers' }

export interface Size {
  users: number
  serversPerUser: number
}

interface Model {
  namespace: Named & { metadata: { labels: Record<string, string>; annotations: Record<string, string> } }
  job: JobObject
}

export const populationUser = (index: number) => `population-${index}`
export const populationServer = (index: number) => `server-${index}`

/**
 * Makes namespaces with running servers, as rexec makes them: copies of what it has made for one user, each with a Job
 * and a pod that says it is ready. Nothing touches them: the Job controller is told that the Jobs are somebody else's.
 * Gives seconds and the number of objects.
 */
export async function populate(kube: Kube, rexec: RexecProxy, { users, serversPerUser }: Size) {
  const model = await readModel(kube, rexec)
  let objects = 0
  const create = async <T>(path: string, object: object): Promise<T> => {
    objects++
    return kube.create(path, object)
  }
  const { seconds } = await inFlight(IN_FLIGHT, users, async (index) => {
    const user = populationUser(index)
    const namespace = namespaceName(user, PREFIX)
    await create('/api/v1/namespaces', copyOf(model.namespace, user))
    const { serviceAccountName: name } = (model.job.spec.template as unknown as Template).spec
    await create(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name } })
    for (let number = 0; number < serversPerUser; number++) {
      await makeServer(kube, create, namespace, copyOf(model.job, user, populationServer(number)))
    }
  })
  return { seconds, objects }
}

type Create = <T>(path: string, object: object) => Promise<T>

async function makeServer(kube: Kube, create: Create, namespace: string, job: JobObject): Promise<void> {
  const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`
  const made = await create<JobObject>(jobs, job)
  const { name, uid } = made.metadata
  const startTime = new Date().toISOString()
  await kube.merge(`${jobs}/${name}/status`, { status: { active: 1, ready: 1, startTime } })
  const pods = `/api/v1/namespaces/${namespace}/pods`
  const { metadata, spec } = made.spec.template as unknown as Template
  await create(pods, {
    metadata: {
      name: `${name}-0`,
      labels: metadata.labels,
      annotations: { ...metadata.annotations, 'batch.kubernetes.io/job-completion-index': '0' },
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true }],
    },
    spec: { ...spec, nodeName: NODE },
  })
  await kube.merge(`${pods}/${name}-0/status`, { status: runningStatus(spec, startTime) })
}

interface Template {
  metadata: { labels: Record<string, string>; annotations?: Record<string, string> }
  spec: {
    serviceAccountName: string
    containers: { name: string; image: string }[]
    initContainers?: { name: string; image: string }[]
  }
}

/** As a kubelet says of a pod whose containers all run and are ready. */
function runningStatus({ containers, initContainers = [] }: Template['spec'], startTime: string): object {
  const running = ({ name, image }: { name: string; image: string }) => ({
    name,
    image,
    imageID: `${image}@sha256:${'0'.repeat(64)}`,
    containerID: `containerd://${'0'.repeat(64)}`,
    ready: true,
    started: true,
    restartCount: 0,
    state: { running: { startedAt: startTime } },
  })
  const conditions = ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map((type) => ({
    type,
    status: 'True',
    lastTransitionTime: startTime,
  }))
  return {
    phase: 'Running',
    startTime,
    podIP: '10.0.0.1',
    podIPs: [{ ip: '10.0.0.1' }],
    conditions,
    containerStatuses: containers.map(running),
    initContainerStatuses: initContainers.map(running),
  }
}

async function readModel(kube: Kube, rexec: RexecProxy): Promise<Model> {
  await rexec.submit(MODEL.user, MODEL.server)
  const namespace = namespaceName(MODEL.user, PREFIX)
  const { metadata } = await kube.get<Model['namespace']>(`/api/v1/namespaces/${namespace}`)
  const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`
  const { metadata: own, spec } = asSent(await kube.get<JobObject>(`${jobs}/${objectName(MODEL.server)}`))
  const { name, labels, annotations } = metadata
  const elses = { suspend: false, managedBy: 'example.org/bench' }
  return {
    namespace: { metadata: { name, labels, annotations } },
    job: { metadata: own, spec: { ...spec, ...elses } },
  }
}

/** Puts other names in the place of the model's, wherever they stand. */
function copyOf<T>(object: T, user: string, server = MODEL.server): T {
  const text = JSON.stringify(object)
    .replaceAll(namespaceName(MODEL.user, PREFIX), namespaceName(user, PREFIX))
    .replaceAll(ownerHash(MODEL.user), ownerHash(user))
    .replaceAll(MODEL.user, user)
    .replaceAll(MODEL.server, server)
  return JSON.parse(text)
}
