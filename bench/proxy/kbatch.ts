import { join } from 'node:path'
import { type Child, startChild } from '../child.ts'
import { expectSuccess, openHttp } from './load.ts'

/**
 * kbatch-proxy 0.4.2 with the newest packages that it works with: from kubernetes 36 on it answers every submit with
 * 500, and it needs pydantic 1 and rich, which it does not name.
 */
export const KBATCH_VENV = {
  name: 'kbatch',
  packages: [
    'kbatch-proxy==0.4.2',
    'kbatch==0.4.2',
    'kubernetes==35.0.0',
    'pydantic==1.10.27',
    'rich==15.0.0',
    'uvicorn[standard]==0.54.0',
  ],
}

/**
 * Its fastest sensible way to run: two processes, as its production image, on uvloop and httptools, without its log
 * in colours and without an access log. (Its documents start one process and leave the logs on: 32 instead of 45
 * submits per second.)
 */
const UVICORN = ['--workers', '2', '--no-access-log', '--log-level', 'warning', '--timeout-keep-alive', '600']

const PYTHON = join(import.meta.dirname, '..', 'python')

/** What is in the body of a submit: the command to run, or also a file of code (as a ConfigMap). */
export type Body = 'command' | 'code'

export interface KbatchProxy {
  pid: number
  /** Milliseconds of a POST /jobs/ as this user. */
  submit(user: string, body: Body): Promise<number>
  close(): Promise<void>
}

/** Starts kbatch-proxy from this venv. Resolves when it answers. */
export async function startKbatch(
  python: string,
  kubeconfig: string,
  hubApiUrl: string,
): Promise<KbatchProxy> {
  const children: Child[] = []
  const close = async () => void (await Promise.all(children.map((child) => child.close())))
  try {
    const client = startChild(python, [join(PYTHON, 'kbatch_job.py')])
    children.push(client)
    const bodies = (await client.next()) as Record<Body, object>
    const texts = { command: JSON.stringify(bodies.command), code: JSON.stringify(bodies.code) }
    const server = startChild(python, [join(PYTHON, 'kbatch_proxy_start.py'), ...UVICORN], undefined, {
      KUBECONFIG: kubeconfig,
      JUPYTERHUB_API_URL: hubApiUrl,
      JUPYTERHUB_API_TOKEN: 'not-asked-by-the-fake-hub',
      KBATCH_INIT_LOGGING: 'false',
    })
    children.push(server)
    const { port } = (await server.next()) as { port: number }
    const http = openHttp(`http://127.0.0.1:${port}`)
    expectSuccess('kbatch-proxy', await http.send('GET', '/'))
    return {
      pid: server.pid,
      async submit(user, body) {
        const answer = await http.send('POST', '/jobs/', {
          headers: { authorization: `token ${user}`, 'content-type': 'application/json' },
          body: texts[body],
        })
        expectSuccess('POST /jobs/', answer)
        return answer.milliseconds
      },
      async close() {
        http.close()
        await close()
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}
