import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SERVER } from '../../proxy/cluster/kubernetes/names.ts'
import type { ApiServer } from '../cluster/api-server.ts'

/** Like a node that has died: no kubelet ever says anything of what is put on it, or confirms that it has ended. */
export const LOST_NODE = 'lost'

/** Puts the first pod of a server on such a node as soon as there is one; resolves with the pod's name and uid. */
export async function putOnLostNode(
  { apply, kubectl, folder }: ApiServer,
  namespace: string,
  server: string,
): Promise<{ name: string; uid: string }> {
  // Pods of nodes that do not exist are cleared away.
  await apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: LOST_NODE } })
  const found = ['pods', '-n', namespace, '-l', `${SERVER}=${server}`]
  await kubectl('wait', '--for=create', ...found, '--timeout=60s')
  const [name = '', uid = ''] = (
    await kubectl('get', ...found, '-o', 'jsonpath={.items[0].metadata.name} {.items[0].metadata.uid}')
  ).split(' ')
  const binding = {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name },
    target: { kind: 'Node', name: LOST_NODE },
  }
  const file = join(folder, `binding-${name}.json`)
  await writeFile(file, JSON.stringify(binding))
  await kubectl('create', '--raw', `/api/v1/namespaces/${namespace}/pods/${name}/binding`, '-f', file)
  return { name, uid }
}
