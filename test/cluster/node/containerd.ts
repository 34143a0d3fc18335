import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { borrow } from '../images/borrow.ts'
import { IMAGES, type Store } from '../images/images.ts'
import { writeLayout } from '../images/oci.ts'
import type { Machine } from './machine.ts'

export const CONTAINERD_SOCKET = '/run/containerd/containerd.sock'

export interface Folders {
  /** Where containerd looks for the configuration of pods' networks; a node is ready when one is there. */
  networks: string
  /** Network plugins. */
  plugins: string
}

/** containerd with all images of the store, and that of this checkout. */
export async function startContainerd(
  machine: Machine,
  folder: string,
  store: Store,
  { networks, plugins }: Folders,
): Promise<void> {
  const root = join(folder, 'containerd')
  const layout = join(folder, 'images')
  const configuration = join(folder, 'containerd.toml')
  await Promise.all([
    borrow(store.folder, root),
    writeLayout(layout, [store.rexec], store.layers),
    mkdir(networks, { recursive: true }),
  ])
  // restrict_oom_score_adj: a machine without CAP_SYS_RESOURCE could start no container.
  await writeFile(
    configuration,
    `version = 2
root = "${root}"
state = "/run/containerd"
[grpc]
  address = "${CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${IMAGES.pause}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${plugins}"
    conf_dir = "${networks}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
`,
  )
  machine.start('containerd', ['containerd', '--config', configuration])
  await machine.ready(
    'containerd',
    machine.run('import', [
      'bash',
      '-c',
      `until [ -S ${CONTAINERD_SOCKET} ]; do sleep 0.05; done
       tar --create --dereference --directory="$0" . | ctr --namespace k8s.io images import -`,
      layout,
    ]),
  )
}
