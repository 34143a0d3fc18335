import { posix } from 'node:path'
import type { PodSettings } from './pod-settings.ts'

/** Folders of a worker that rexec, the container runtime or the kernel gives a meaning. */
const FOLDERS = ['/run', '/var/run', '/etc', '/home/rexec', '/tmp', '/dev', '/proc', '/sys']

/** Labels and annotations that say something to Kubernetes or to rexec; a profile must not say it in their place. */
const SYSTEM = /(^|\.)(kubernetes\.io|k8s\.io|rexec\.dev)\//
const UNQUALIFIED = ['job-name', 'controller-uid']
/** Of those, what is an administrator's to say. */
const PERMITTED = [
  /^app\.kubernetes\.io\/(?!managed-by$|instance$)/,
  /^cluster-autoscaler\.kubernetes\.io\//,
  /^kubernetes\.io\/(in|e)gress-bandwidth$/,
]

/** What is wrong with how a profile's pods are, each problem with its field. */
export function problemsOfPod({ volumes, labels, annotations }: PodSettings): string[] {
  const paths = volumes.map(({ mountPath }) => mountPath)
  return [
    ...paths.flatMap((path, index) => {
      const problem = problemOfPath(path) ?? (paths.indexOf(path) < index ? 'used twice' : undefined)
      return problem ? [`volumes.${index}.mountPath: ${problem}`] : []
    }),
    ...Object.keys(labels).flatMap((key) => problemOfKey('labels', key)),
    ...Object.keys(annotations).flatMap((key) => problemOfKey('annotations', key)),
  ]
}

function problemOfPath(path: string): string | undefined {
  if (posix.normalize(path) !== path || path === '/' || path.endsWith('/')) {
    return 'must be a folder in its normal form: no "..", no "//", no "/" at the end'
  }
  const folder = FOLDERS.find((folder) => isWithin(path, folder) || isWithin(folder, path))
  return folder && `must not lie in ${folder} or above it, which rexec or the system uses`
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`)
}

function problemOfKey(field: string, key: string): string[] {
  const isSystem = SYSTEM.test(key) || UNQUALIFIED.includes(key)
  if (!isSystem || PERMITTED.some((form) => form.test(key))) return []
  return [`${field}.${key}: belongs to Kubernetes or to rexec`]
}
