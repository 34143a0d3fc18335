import { copyFile, mkdir, readdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Makes a root for containerd in which images and their files are links to those of another root, which stays as it is,
 * and new ones are its own. (An overlay mount could not hold it: the files of containers are overlays themselves.)
 */
export async function borrow(store: string, root: string): Promise<void> {
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
