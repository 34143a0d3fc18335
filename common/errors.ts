/**
 * The one table of everything rexec refuses or fails with. `status` is the HTTP status (for errors that only
 * travel over ZeroMQ: the status they would have), `says` is the sentence that tells the reader what to do.
 * docs/reference/errors.md is generated from it.
 */
export const errorTable = {
  // who are you
  token_missing: {
    status: 401,
    says: 'No token was sent. Send your JupyterHub token in the header "Authorization: Bearer <token>".',
  },
  token_invalid: {
    status: 401,
    says: 'This token is not known or has expired. Get a new one (in a notebook: restart your server) and try again.',
  },
  token_wrong_kind: {
    status: 401,
    says: 'This token was made for another purpose. Use your own token, or one from POST /api/v1/tokens.',
  },
  token_in_url: {
    status: 400,
    says: 'A token does not belong in a URL, which ends up in logs. Send it in the header "Authorization: Bearer <token>".',
  },
  identity_unavailable: {
    status: 503,
    says: 'The service that checks tokens does not answer. Nothing is wrong with your token; try again in a few seconds.',
  },
  login_failed: {
    status: 400,
    says: 'You could not be logged in. Go back to the page of rexec and try again; if it stays, tell your administrator.',
  },
  // may you
  scope_missing: {
    status: 403,
    says: 'The hub knows this token, but it may not be used for rexec. Ask your administrator for the scope "access:services!service=rexec"; in a notebook, restart your server afterwards.',
  },
  window_required: {
    status: 403,
    says: 'This page opens in a window of its own only, in an up-to-date browser, and not through a service worker of another page. If it does not open, remove the data of this site in your browser.',
  },
  not_allowed: {
    status: 403,
    says: 'You are known but not allowed to use rexec here. Ask your administrator to add you or one of your groups.',
  },
  broker_only: {
    status: 403,
    says: 'Only brokers may call this route, with the broker credential.',
  },
  profile_not_allowed: {
    status: 403,
    says: 'This profile is not open to you. GET /api/v1/profiles lists the ones that are.',
  },
  // is the request allowed
  body_invalid: {
    status: 400,
    says: 'The request does not have the form that the API expects. See /openapi.json for the exact form.',
  },
  query_invalid: {
    status: 400,
    says: 'This address has no such query parameter or value. See /openapi.json for those it has.',
  },
  request_malformed: {
    status: 400,
    says: 'The request is not well-formed HTTP. Correct it and send each header once.',
  },
  request_timeout: { status: 408, says: 'The request did not arrive in time. Send it again, in one go.' },
  headers_too_large: { status: 431, says: 'The request headers are too large. Send fewer or shorter ones.' },
  body_too_large: { status: 413, says: 'The request body is too large. Send fewer or shorter values.' },
  media_type_unsupported: {
    status: 415,
    says: 'This content type is not supported here. Send application/json, or a form to the Rexec routes.',
  },
  not_found: { status: 404, says: 'There is nothing at this address. See /docs for the routes.' },
  method_not_allowed: {
    status: 405,
    says: 'This address does not support this method. See /docs for the routes.',
  },
  profile_unknown: {
    status: 400,
    says: 'There is no profile of this name. GET /api/v1/profiles lists the profiles.',
  },
  name_invalid: {
    status: 400,
    says: 'This server name is not allowed. Use a-z, 0-9 and -, with a letter or digit at both ends.',
  },
  python_not_allowed: {
    status: 400,
    says: 'This Python version is not offered. GET /api/v1/profiles lists the versions; write it as "python==3.12".',
  },
  image_not_allowed: {
    status: 400,
    says: 'This image may not be used. Leave it out for the one of the profile, or ask your administrator to allow it.',
  },
  python_required: {
    status: 400,
    says: 'The requirements must name the Python version that you call from, exactly and once. Add a line such as "python==3.12".',
  },
  requirement_invalid: {
    status: 400,
    says: 'A requirement is not allowed. Write package names with versions, such as "numpy>=2,<3"; no URL, path or option.',
  },
  env_invalid: {
    status: 400,
    says: 'An environment variable is not allowed. Use names of A-Z, 0-9 and _, outside the reserved prefixes.',
  },
  resources_exceed_profile: {
    status: 400,
    says: 'You ask for more than the profile allows. GET /api/v1/profiles shows the limits.',
  },
  limit_exceeded: { status: 400, says: 'A list or a value is longer than allowed. Send less.' },
  // servers
  server_not_found: {
    status: 404,
    says: 'You have no server of this name. GET /api/v1/servers lists yours; POST /api/v1/servers starts one.',
  },
  server_differs: {
    status: 409,
    says: 'A server with another environment is running. Stop it first, or replace it with "replace": true (Rexec clients: force_reinstall=True).',
  },
  server_limit_reached: {
    status: 429,
    says: 'You already run as many servers as you may. Stop one and try again.',
  },
  namespace_not_owned: {
    status: 409,
    says: 'Your namespace exists but does not belong to you. Ask your administrator.',
  },
  namespace_not_ready: {
    status: 503,
    says: 'Your namespace cannot be used now. Try again in a minute; if it stays, ask your administrator.',
  },
  namespace_missing: {
    status: 403,
    says: 'No namespace is set up for you. Ask your administrator for one.',
  },
  quota_exceeded: {
    status: 403,
    says: 'Your namespace has no room for it. Stop other servers or ask for less.',
  },
  admission_refused: {
    status: 403,
    says: "The cluster's own policy refuses this server. Show the reason to your administrator.",
  },
  unschedulable: {
    status: 503,
    says: 'No node of the cluster has room for it. Ask for less, or try again later.',
  },
  image_unavailable: {
    status: 502,
    says: 'The image could not be pulled. Choose another Python version or profile, or tell your administrator.',
  },
  evicted: {
    status: 503,
    says: 'The cluster took the server off its node. Start it again.',
  },
  node_lost: {
    status: 503,
    says: 'The node on which the server ran does not answer. Start it again.',
  },
  start_interrupted: {
    status: 503,
    says: 'The start of the server was interrupted. Start it again.',
  },
  cluster_unavailable: {
    status: 503,
    says: 'The cluster does not answer. Nothing was started; try again in a few seconds.',
  },
  too_many_requests: { status: 429, says: 'Too many requests. Wait a few seconds and try again.' },
  internal: {
    status: 500,
    says: 'Something went wrong inside rexec. Try again; if it stays, give your administrator the request id.',
  },
  // calls, answered by the broker
  no_server: {
    status: 404,
    says: 'You have no running server. Start one with set_environment (or POST /api/v1/servers), then call again.',
  },
  server_failed: {
    status: 502,
    says: 'Your server did not start. Correct what the reason names and start it again.',
  },
  server_start_timeout: {
    status: 504,
    says: 'Your server did not become ready in time. Look at its state and logs, then call again.',
  },
  server_not_connected: {
    status: 504,
    says: 'Your server is running, but has not connected to the broker that has your call. Call again; if it stays so, start your server anew and tell your administrator.',
  },
  server_lost: {
    status: 502,
    says: 'The connection to your server was lost while the call ran. Look at its state, then call again.',
  },
  server_stopping: {
    status: 503,
    says: 'Your server is stopping. Start it again, then call again.',
  },
  queue_full: {
    status: 429,
    says: 'Too many of your calls are waiting. Wait until some have ended, then call again.',
  },
  queue_timeout: {
    status: 504,
    says: 'Your servers were busy with other calls for too long. Wait until some have ended, or ask for more replicas.',
  },
  message_malformed: {
    status: 400,
    says: 'The broker could not read this message. Use the scidx-rexec client, or see docs/protocol.md.',
  },
  message_too_large: {
    status: 413,
    says: 'The function and its arguments are larger than the broker accepts. Send less, or put the data where the server can read it.',
  },
  client_too_slow: {
    status: 408,
    says: 'The client did not read its results for too long, so the call was cancelled. Read results as they come.',
  },
  broker_stopping: { status: 503, says: 'The broker is restarting. Call again in a few seconds.' },
  broker_overloaded: { status: 503, says: 'The broker is at its limit. Call again in a few seconds.' },
  credential_refused: {
    status: 401,
    says: 'The broker did not accept the server credential. Stop the server and start it again.',
  },
  // calls, answered by the server
  install_failed: {
    status: 422,
    says: 'The requirements could not be installed. Correct what the installer names and start the server again.',
  },
  python_missing: {
    status: 422,
    says: 'The server has no interpreter of this Python version. Choose another version.',
  },
  worker_died: {
    status: 500,
    says: 'The process that ran your function ended before it returned. The server goes on; correct the function and call again.',
  },
  process_limit: {
    status: 503,
    says: 'The server cannot start another process for your function. Let other calls end or use fewer processes, then call again.',
  },
  worker_lost: {
    status: 502,
    says: 'The server has lost its worker, perhaps because memory ran out. Start it again, with more memory if need be.',
  },
  out_of_memory: {
    status: 507,
    says: 'Your function used more memory than the server has. Use less, or ask for more memory.',
  },
  call_cancelled: { status: 499, says: 'The call was cancelled.' },
  client_mismatch: {
    status: 409,
    says: 'Your Python or dill does not match the server. Start a server with "python==" your own version.',
  },
  function_unreadable: {
    status: 400,
    says: 'The function or its arguments could not be unpickled on the server. Add the packages they need to the requirements.',
  },
  result_unpicklable: {
    status: 422,
    says: 'The return value cannot be pickled. Return plain data, such as lists, dicts, arrays or bytes.',
  },
  result_too_large: {
    status: 413,
    says: 'The return value is larger than the server may send. Return less, or write it where you can read it.',
  },
} as const satisfies Record<string, { status: number; says: string }>

export type ErrorCode = keyof typeof errorTable

/** What a user may read: a code of the table, and what exactly was wrong (never a value that may be secret). */
export class RexecError extends Error {
  readonly code: ErrorCode
  readonly status: number
  readonly detail: string | undefined
  /** Seconds after which another try makes sense; sent as Retry-After. */
  readonly retryAfter: number | undefined

  constructor(code: ErrorCode, detail?: string, options: { cause?: unknown; retryAfter?: number } = {}) {
    super(sentence(code, detail), options.cause === undefined ? {} : { cause: options.cause })
    this.name = 'RexecError'
    this.code = code
    this.status = errorTable[code].status
    this.detail = detail
    this.retryAfter = options.retryAfter ?? (this.status === 503 ? 3 : undefined)
  }
}

/**
 * The text for a reader: what exactly was wrong, then what to do, then the code to search for. A detail that is such a
 * text of this code already, as the message of a failed server is, stays as it is.
 */
export function sentence(code: ErrorCode, detail?: string): string {
  if (detail?.endsWith(`[${code}]`)) return detail
  const { says } = errorTable[code]
  return detail ? `${detail} ${says} [${code}]` : `${says} [${code}]`
}
