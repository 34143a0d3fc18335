import type { Kube, List, Named } from './kube.ts'
import { expectSuccess } from './load.ts'

/** Labels that Kubernetes gives to the pods of a Job. */
const OF_KUBERNETES = /^(batch\.kubernetes\.io\/)?(controller-uid|job-name)$/

export interface JobObject extends Named {
  metadata: Named['metadata'] & { labels?: Record<string, string>; annotations?: Record<string, string> }
  spec: { selector?: object; suspend?: boolean; template: { metadata: { labels: Record<string, string> } } }
}

/** A Job as it was sent: without what the API server has put into it. */
export function asSent({ metadata, spec }: JobObject): JobObject {
  const { selector: _, ...rest } = structuredClone(spec)
  const { labels } = rest.template.metadata
  for (const name of Object.keys(labels)) if (OF_KUBERNETES.test(name)) delete labels[name]
  const { name, namespace, labels: own = {}, annotations = {} } = metadata
  return { metadata: { name, namespace, labels: own, annotations }, spec: rest } as JobObject
}

/**
 * What the API server needs for one Job: the limit for everybody. Gives a function that creates one of the Jobs that
 * rexec has just made again, without its labels and without anything around it, and answers with the milliseconds.
 */
export async function plainJob(
  kube: Kube,
  namespaces: string[],
): Promise<(index: number) => Promise<number>> {
  const jobsOf = (namespace: string) => `/apis/batch/v1/namespaces/${namespace}/jobs`
  const { items } = await kube.get<List<JobObject>>(jobsOf(namespaces[0]!))
  const { spec } = asSent(items[0]!)
  spec.template.metadata.labels = {}
  let jobs = 0
  return async (index) => {
    const path = jobsOf(namespaces[index % namespaces.length]!)
    const body = JSON.stringify({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: `bare-${jobs++}` },
      spec,
    })
    const answer = await kube.http.send('POST', path, {
      headers: { 'content-type': 'application/json' },
      body,
    })
    expectSuccess('POST of a Job', answer)
    return answer.milliseconds
  }
}
