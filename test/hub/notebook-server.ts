import { dirname, join } from 'node:path'
import { CLIENT, choosePython } from '../../bin/client.ts'
import { ensureVenv } from '../../bin/venv.ts'
import { HUB_VERSIONS, type Hub } from './hub.ts'
import type { NotebookServer } from './kernel.ts'

/** What a hub's notebook image has at least, and the unmodified client. */
const PACKAGES = [`jupyterhub==${HUB_VERSIONS[0]}`, 'jupyter_server==2.21.1', 'ipykernel==7.4.0', ...CLIENT]

/** Folder of the programs with which a user's server runs. @throws Problem what is missing: Python, the network */
export async function notebookPrograms(): Promise<string> {
  return dirname(await ensureVenv('notebook', { python: await choosePython(), packages: PACKAGES }))
}

/** Why there can be no notebook here; undefined if there can. */
export async function notebookMissing(): Promise<string | undefined> {
  return notebookPrograms().then(
    () => undefined,
    (error: Error) => error.message,
  )
}

/** Lines of jupyterhub_config.py: users get real notebook servers, in which REXEC_URL says where the service is. */
export async function notebookConfig(): Promise<string> {
  const programs = await notebookPrograms()
  // They end with the hub, however it ends. pip would show what is newer than itself.
  return `
c.Spawner.cmd = ["setpriv", "--pdeathsig", "KILL", ${JSON.stringify(join(programs, 'jupyterhub-singleuser'))}]
c.Spawner.args = ["--allow-root"]
c.Spawner.environment = {
    "REXEC_URL": c.JupyterHub.bind_url + "services/rexec",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}
`
}

/** Has the hub spawn a user's server, and waits until it is ready. */
export async function spawnNotebookServer(
  hub: Pick<Hub, 'admin' | 'apiUrl' | 'url' | 'token'>,
  user: string,
): Promise<NotebookServer> {
  await hub.admin(`/users/${user}/server`, { method: 'POST' })
  const token = await hub.token(user)
  const progress = await fetch(`${hub.apiUrl}/users/${user}/server/progress`, {
    headers: { authorization: `token ${token}` },
  })
  const events = await progress.text()
  if (!/"ready": true/.test(events)) throw new Error(`the server of ${user} did not become ready: ${events}`)
  return { url: `${hub.url}user/${user}/`, token }
}
