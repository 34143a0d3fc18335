import { copyFile, mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { IMAGES, type Store } from '../images/images.ts'
import { type Image, writeLayout } from '../images/oci.ts'
import type { Machine } from './machine.ts'

export const CONTAINERD_SOCKET = '/run/containerd/containerd.sock'

export interface Folders {
  /** Where containerd looks for the configuration of pods' networks; a node is ready when one is there. */
  networks: string
  /** Network plugins. */
  plugins: string
}

/** containerd with all images in it. @param more images that the store does not have */
export async function startContainerd(
  machine: Machine,
  folder: string,
  store: Store,
  more: Image[],
  { networks, plugins }: Folders,
): Promise<void> {
  const root = join(folder, 'containerd')
  const layout = join(folder, 'images')
  const configuration = join(folder, 'containerd.toml')
  await Promise.all([
    borrow(store.folder, root),
    writeLayout(layout, [store.rexec, ...more], store.layers),
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

/**
 * Makes a root for containerd in which images and their files are links to those of the store, and new ones are its own.
 * (An overlay mount could not hold it: the files of containers are overlays themselves.)
 */
async function borrow(store: string, root: string): Promise<void> {
  const metadata = 'io.containerd.metadata.v1.bolt'
  const snapshotter = 'io.containerd.snapshotter.v1.overlayfs'
  await Promise.all([
    copyInto(store, root, metadata, 'meta.db'),
    copyInto(store, root, snapshotter, 'metadata.db'),
    linkInto(store, root, join(snapshotter, 'snapshots')),
    linkInto(store, root, 'io.containerd.content.v1.content/blobs/sha256'),
  ])
}

async function copyInto(store: string, root: string, folder: string, file: string): Promise<void> {
  await mkdir(join(root, folder), { recursive: true })
  await copyFile(join(store, folder, file), join(root, folder, file))
}

async function linkInto(store: string, root: string, folder: string): Promise<void> {
  await mkdir(join(root, folder), { recursive: true })
  const names = await readdir(join(store, folder))
  await Promise.all(names.map((name) => symlink(join(store, folder, name), join(root, folder, name))))
}
