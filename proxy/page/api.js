/** @import { ServerStatus, Profile, ServerRequest } from '../pipeline.ts' */

/** What only this page knows; it is in the HTML and nowhere else. No cookie goes with its requests. */
const meta = /** @type {HTMLMetaElement} */ (document.querySelector('meta[name=session]'))
const headers = { authorization: `Session ${meta.content}` }
meta.remove()

/** @typedef {Omit<Profile, 'pythons'> & { pythons: string[] }} OfferedProfile */
/** @typedef {{ address: string, host: string, port: string }} Broker */

/** A refusal, with the sentence of the service for its reader. */
export class Problem extends Error {
  /**
   * @param {string} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message)
    this.code = code
  }
}

/** Fired at the document when the session is over. */
export const LOGGED_OUT = 'rexec-logged-out'

/** @returns {Promise<{ name: string }>} */
export const getUser = async () => json(await send('GET', 'api/v1/user'))

/** @returns {Promise<OfferedProfile[]>} */
export const getProfiles = async () => (await json(await send('GET', 'api/v1/profiles'))).profiles

/** @returns {Promise<Broker & { external?: Broker }>} */
export const getBroker = async () => json(await send('GET', 'api/v1/broker'))

/** @returns {Promise<ServerStatus[]>} */
export const getServers = async () => (await json(await send('GET', 'api/v1/servers'))).servers

/**
 * @param {ServerRequest} request
 * @returns {Promise<ServerStatus>}
 */
export const startServer = async (request) =>
  (await json(await send('POST', 'api/v1/servers', { body: request }))).server

/** @param {string} name */
export async function stopServer(name) {
  await send('DELETE', `api/v1/servers/${encodeURIComponent(name)}`)
}

/**
 * The log's text as it comes, until the server has ended.
 * @param {string} name
 * @param {AbortSignal} signal
 */
export async function followLog(name, signal) {
  const answer = await send('GET', `api/v1/servers/${encodeURIComponent(name)}/logs?follow`, { signal })
  return /** @type {ReadableStream<Uint8Array<ArrayBuffer>>} */ (answer.body).pipeThrough(
    new TextDecoderStream(),
  )
}

/**
 * @param {string} method
 * @param {string} path
 * @param {{ body?: unknown, signal?: AbortSignal }} [options]
 */
async function send(method, path, { body, signal } = {}) {
  const answer = await fetch(path, {
    method,
    headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
    signal: signal ?? null,
    cache: 'no-store',
    credentials: 'omit',
    redirect: 'error',
  }).catch((error) => {
    if (signal?.aborted) throw error
    throw new Problem('unreachable', 'The service cannot be reached. This page tries again by itself.')
  })
  if (answer.ok) return answer
  const { code, detail } = await answer.json().catch(() => ({}))
  if (answer.status === 401) document.dispatchEvent(new Event(LOGGED_OUT))
  throw new Problem(code ?? `status ${answer.status}`, detail ?? `The service has answered ${answer.status}.`)
}

/** @param {Response} answer */
function json(answer) {
  return answer.json()
}
