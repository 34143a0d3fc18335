import { CONFIG_FILE } from './jupyterhub-config.ts'
import { type Plan, RELEASE } from './plan.ts'
import { TOKEN_SECRET } from './values.ts'

/** What the admin runs next, in order; all lines that are no command are comments of the shell. */
export function stepsOf(plan: Plan, folder: string): string {
  const { namespace: ns, makesToken } = plan
  const isZ2jh = plan['hub.kind'] === 'z2jh'
  const isGiven = plan['rbac.mode'] === 'namespaces'
  const parts: [title: string, lines: string[]][] = [
    ['The namespace of rexec', ns === plan['hub.namespace'] ? [] : [`kubectl create namespace ${ns}`]],
    [
      'The token by which the hub knows rexec, the same on both sides. Keep the file out of version control',
      makesToken
        ? [`kubectl create secret generic ${TOKEN_SECRET} -n ${ns} --from-file=token=${folder}/hub-token`]
        : [],
    ],
    ['The hub. Your own values go first', isZ2jh ? [hubUpgrade(plan, folder)] : []],
    [
      `The hub: append ${CONFIG_FILE} to jupyterhub_config.py, and copy hub-token beside that, readable for the hub alone.
# Restart the hub. Notebook servers that run get the new rights when they are restarted`,
      isZ2jh ? [] : [`cat ${folder}/${CONFIG_FILE} >> jupyterhub_config.py`, `cp -p ${folder}/hub-token .`],
    ],
    [
      'rexec, from a checkout of it',
      [`helm upgrade --install ${RELEASE} helm/rexec -n ${ns} -f ${folder}/values.yaml`],
    ],
    [
      'The namespaces of users, as rexec wants them',
      isGiven
        ? [
            `kubectl exec -n ${ns} deploy/${RELEASE}-proxy -- rexec namespaces --settings /etc/rexec/proxy.yaml \\
  ${plan['rbac.users'].map(quote).join(' ')} | kubectl apply -f -`,
          ]
        : [],
    ],
    [
      'Look',
      [
        `kubectl rollout status -n ${ns} deploy/${RELEASE}-proxy`,
        `kubectl rollout status -n ${ns} statefulset/${RELEASE}-broker`,
        `kubectl exec -n ${ns} deploy/${RELEASE}-proxy -- rexec doctor`,
        `helm test ${RELEASE} -n ${ns}`,
      ],
    ],
    [
      'The address of the broker for clients outside. Put it into values.yaml as broker.externalAddress, then run helm upgrade again',
      plan['broker.reach'] !== 'inside' && !plan['broker.externalAddress']
        ? [`kubectl get service -n ${ns} ${RELEASE}-broker`]
        : [],
    ],
    ['As a user: in a notebook of the hub, run docs/user/check.py', ['#']],
  ]
  return parts
    .filter(([, lines]) => lines.length > 0)
    .map(([title, lines], index) => [`# ${index + 1}. ${title}.`, ...lines.filter((line) => line !== '#')])
    .map((lines) => `${lines.join('\n')}\n`)
    .join('\n')
}

function hubUpgrade(plan: Plan, folder: string): string {
  const files = ['hub-values.yaml', ...(plan.makesToken ? ['hub-secret.yaml'] : [])]
  const options = files.map((file) => `-f ${folder}/${file}`).join(' ')
  const release = plan['hub.release']
  return `helm upgrade ${release} jupyterhub/jupyterhub -n ${plan['hub.namespace']} -f YOUR-VALUES.yaml ${options}`
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
