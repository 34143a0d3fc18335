import type { Answers } from './questions.ts'

/** The release, and with it the names of the chart's objects (helm/rexec/templates/_names.tpl). */
export const RELEASE = 'rexec'

/** What follows from the answers, and more than one file needs. */
export interface Plan extends Answers {
  /** Of the service, as browsers see it: with the base_url of the hub. */
  prefix: string
  /** Where the hub's proxy finds rexec. */
  upstream: string
  /** Where notebooks find the service. */
  notebookUrl: string
  /** Whose token is made here: where rexec and the hub share a namespace, the hub's own Secret has one. */
  makesToken: boolean
}

export function planOf(answers: Answers): Plan {
  const { serviceName, namespace } = answers
  const publicUrl = answers['hub.publicUrl']
  const prefix = `${new URL(publicUrl || 'http://hub/').pathname}services/${serviceName}`
  const isZ2jh = answers['hub.kind'] === 'z2jh'
  return {
    ...answers,
    prefix,
    upstream: isZ2jh ? `http://${RELEASE}-proxy.${namespace}:80` : answers['hub.serviceUrl'],
    // Without a public address: the proxy of a zero-to-jupyterhub, as pods of the cluster reach it.
    notebookUrl: publicUrl
      ? `${publicUrl}services/${serviceName}`
      : `http://proxy-public.${answers['hub.namespace']}${prefix}`,
    makesToken: !isZ2jh || answers['hub.namespace'] !== namespace,
  }
}
