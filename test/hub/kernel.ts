import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { Test } from 'tap'

/** What a cell showed. */
export interface Shown {
  stdout: string
  stderr: string
  /** Its last expression, as text; empty without one. */
  result: string
  /** What it raised. */
  error?: { name: string; message: string }
}

/** A kernel of a notebook server, used over the server's own API, as JupyterLab does. */
export interface Kernel {
  /** Runs a cell. @param onStdout is told what is printed, while it runs */
  run(cell: string, onStdout?: (text: string) => void): Promise<Shown>
  /** The button with the square. */
  interrupt(): Promise<void>
}

export interface NotebookServer {
  /** With a slash at its end. */
  url: string
  /** Of a user who may use the server. */
  token: string
}

// biome-ignore lint/suspicious/noExplicitAny: what a message has depends on its type; it comes from a real kernel
type Message = { parent_header: { msg_id?: string }; header: { msg_type: string }; content: any }

/** Starts a kernel of the server's own Python; ended after the test. */
export async function startKernel(t: Test, { url, token }: NotebookServer): Promise<Kernel> {
  const headers = { authorization: `token ${token}` }
  async function ask(path: string, method: string): Promise<Response> {
    const answer = await fetch(url + path, { method, headers })
    if (!answer.ok) throw new Error(`${method} ${url}${path}: ${answer.status} ${await answer.text()}`)
    return answer
  }
  const { id } = (await (await ask('api/kernels', 'POST')).json()) as { id: string }
  const channels = new WebSocket(`${url.replace('http', 'ws')}api/kernels/${id}/channels`, { headers })
  const listeners = new Map<string, (message: Message) => void>()
  channels.addEventListener('message', ({ data }) => {
    const message: Message = JSON.parse(data)
    listeners.get(message.parent_header.msg_id ?? '')?.(message)
  })
  await once(channels, 'open')
  /** Rejects what waits for a cell. */
  let leave: (error: Error) => void = () => undefined
  channels.addEventListener('close', () => leave(new Error('the notebook server has left')))
  t.teardown(async () => {
    const closed = once(channels, 'close')
    channels.close()
    await closed
    await ask(`api/kernels/${id}`, 'DELETE')
  })

  return {
    async run(cell, onStdout) {
      const shown: Shown = { stdout: '', stderr: '', result: '' }
      const messageId = randomUUID()
      const done = new Promise<void>((resolve, reject) => {
        leave = reject
        listeners.set(messageId, ({ header, content }) => {
          if (header.msg_type === 'stream') {
            shown[content.name as 'stdout' | 'stderr'] += content.text
            if (content.name === 'stdout') onStdout?.(content.text)
          }
          if (header.msg_type === 'execute_result') shown.result = content.data['text/plain']
          if (header.msg_type === 'error') shown.error = { name: content.ename, message: content.evalue }
          // It is the last one: what the cell shows has come by then.
          if (header.msg_type === 'status' && content.execution_state === 'idle') resolve()
        })
      })
      channels.send(JSON.stringify(executeRequest(messageId, cell)))
      await done
      listeners.delete(messageId)
      return shown
    },
    async interrupt() {
      await ask(`api/kernels/${id}/interrupt`, 'POST')
    },
  }
}

/** https://jupyter-client.readthedocs.io/en/stable/messaging.html#execute */
function executeRequest(messageId: string, code: string): object {
  return {
    channel: 'shell',
    header: { msg_id: messageId, msg_type: 'execute_request', session: 'test', username: '', version: '5.4' },
    parent_header: {},
    metadata: {},
    content: { code, silent: false, store_history: true, user_expressions: {}, allow_stdin: false },
  }
}
