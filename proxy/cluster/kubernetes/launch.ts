import type { V1Job } from '@kubernetes/client-node'
import { RexecError } from '../../../common/errors.ts'
import type { Logger } from '../../../common/logger.ts'
import type { Namespace } from '../../pipeline.ts'
import type { ApprovedServer } from '../../security-model/approve.ts'
import type { LaunchOptions } from '../cluster.ts'
import type { Api } from './api.ts'
import { asRexecError, isAlreadyExists, isConflict, isNamespaceGone, isNotFound } from './api-error.ts'
import { readDescription } from './description.ts'
import { buildJob } from './job.ts'
import { DESCRIPTION, OWNER } from './names.ts'
import { createOwnObjects, notOurs } from './own-object.ts'
import { onceCounted } from './quota.ts'
import { buildSecret } from './secret.ts'
import type { KubernetesSettings } from './settings.ts'

/**
 * Starts a server: its Job, suspended; the Secret, which belongs to the Job; then the Job may go on. So whatever is
 * left behind when this process ends in between is a suspended Job, which the reconciler of any proxy clears away.
 * @returns the Job as the API server has it
 * @throws server_differs when the name is taken by another one; else what asRexecError makes of a refusal
 */
export type Launch = (namespace: Namespace, server: ApprovedServer, options: LaunchOptions) => Promise<V1Job>

/** @param brokers addresses of the brokers for servers */
export function createLaunch(
  api: Api,
  settings: KubernetesSettings,
  brokers: string[],
  logger: Logger,
): Launch {
  const own = createOwnObjects(api, settings.instance)

  /** Another proxy has just taken the name. Asking for the same server twice starts it once. */
  async function existing(job: V1Job): Promise<V1Job> {
    const { name, namespace, annotations, labels } = job.metadata!
    const found = await api.batch.readNamespacedJob({ name: name!, namespace: namespace! })
    const { metadata } = found
    const ours = Object.entries(labels!).every(([label, value]) => metadata?.labels?.[label] === value)
    // No server: it is not listed and cannot be stopped here.
    if (!ours || metadata?.annotations?.[OWNER] !== annotations![OWNER]) throw notOurs(job)
    const digest = (text: string | undefined) => readDescription(text)?.digest
    const same = digest(metadata?.annotations?.[DESCRIPTION]) === digest(annotations![DESCRIPTION])
    if (!same) throw new RexecError('server_differs')
    if (metadata?.deletionTimestamp) throw new RexecError('server_stopping')
    return found
  }

  async function finish(
    job: V1Job,
    ...[namespace, server, { credential }]: Parameters<Launch>
  ): Promise<V1Job> {
    const secret = buildSecret(server, { namespace, settings, job, credential, brokers })
    try {
      await onceCounted(() => api.create(secret))
    } catch (error) {
      if (!isAlreadyExists(error)) throw error
      // Of an earlier Job of this name, which was deleted without waiting for what belongs to it.
      await own.remove(secret)
      await onceCounted(() => api.create(secret)).catch((error) => {
        throw isAlreadyExists(error) ? notOurs(secret) : error
      })
    }
    return api.patch(identified(job), { metadata: { uid: job.metadata!.uid }, spec: { suspend: false } })
  }

  /** As if it had never been asked for. What cannot be cleared away now, the reconciler will. */
  async function undo(job: V1Job): Promise<void> {
    try {
      await api.remove(identified(job))
    } catch (error) {
      if (isNotFound(error) || isConflict(error)) return
      logger.warn({ err: error, job: job.metadata?.name }, 'a start that failed was not cleared away')
    }
  }

  return async (namespace, server, options) => {
    const wanted = buildJob(server, { namespace, settings })
    let job: V1Job | undefined
    try {
      job = await onceCounted(() => api.create(wanted)).catch((error) => {
        if (!isAlreadyExists(error)) throw error
        return undefined
      })
      return job ? await finish(job, namespace, server, options) : await existing(wanted)
    } catch (error) {
      if (job) await undo(job)
      throw refusal(error)
    }
  }
}

/** A Job that is gone, or another one by now, was deleted by somebody while it was being started. */
function refusal(error: unknown): RexecError {
  const deleted = !isNamespaceGone(error) && (isNotFound(error) || isConflict(error))
  return deleted ? new RexecError('start_interrupted', undefined, { cause: error }) : asRexecError(error)
}

/** What the API server gives back has not always its kind. */
function identified({ metadata }: V1Job): V1Job {
  const { name, namespace, uid } = metadata!
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: name!, namespace: namespace!, uid: uid! },
  }
}
