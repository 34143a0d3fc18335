import { Type } from 'typebox'
import { MAX_REVIEW_SECONDS } from '../common/server-review.ts'

/** What the API takes and gives. Bodies are closed; the security model sets the bounds of what is in them. */
const closed = { additionalProperties: false }
const amount = (description: string) => Type.Optional(Type.Number({ minimum: 0, description }))
const count = (description: string) => Type.Optional(Type.Integer({ minimum: 0, description }))
/** Longer lists and texts than any setting of the security model allows. */
const MAX_ITEMS = 1000
const MAX_TEXT = 131072
export const MAX_TOKEN = 16384

const name = Type.String({ minLength: 1, maxLength: 63, description: "The server's name among yours." })

/** A name in a path: what cannot be one is not found. */
export const ServerParams = Type.Object({
  name: Type.String({ pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$', description: "The server's name." }),
})

export const ServerRequestBody = Type.Object(
  {
    name: Type.Optional(name),
    profile: Type.Optional(
      Type.String({ maxLength: 63, description: 'One of GET /profiles; else the first one open to you.' }),
    ),
    python: Type.Optional(
      Type.String({ maxLength: 16, description: 'The Python version that you call from, such as "3.12".' }),
    ),
    image: Type.Optional(
      Type.String({
        maxLength: 512,
        description: "Image with that Python, instead of the profile's own, where the profile allows it.",
      }),
    ),
    requirements: Type.Optional(
      Type.Array(Type.String({ maxLength: MAX_TEXT }), {
        maxItems: MAX_ITEMS,
        description: 'Packages to install: names with versions, such as "numpy>=2,<3".',
      }),
    ),
    env: Type.Optional(
      Type.Record(Type.String(), Type.String({ maxLength: MAX_TEXT }), {
        maxProperties: MAX_ITEMS,
        description: 'Environment variables of your functions.',
      }),
    ),
    resources: Type.Optional(
      Type.Object(
        {
          cpu: amount('Cores of each replica.'),
          memory: count('Bytes of memory of each replica.'),
          gpu: count('GPUs of each replica.'),
        },
        closed,
      ),
    ),
    replicas: count('Copies of the server that share its calls.'),
    lifetimeSeconds: count('The server ends after this time.'),
    idleSeconds: count('The server ends after this time without a call.'),
    concurrency: count('Calls that run at once in each replica.'),
    replace: Type.Optional(
      Type.Boolean({ description: 'Replace a server of this name that has another environment.' }),
    ),
  },
  closed,
)

export const ServerStatusBody = Type.Object(
  {
    name,
    user: Type.String(),
    phase: Type.Enum(['pending', 'starting', 'installing', 'ready', 'stopping', 'stopped', 'failed']),
    message: Type.String({ description: 'Progress, or the reason of a failure.' }),
    code: Type.Optional(
      Type.String({ description: 'Error code when failed, or stopping for a reason that is known.' }),
    ),
    profile: Type.String(),
    python: Type.String(),
    requirements: Type.Array(Type.String()),
    resources: Type.Object({ cpu: Type.Number(), memory: Type.Number(), gpu: Type.Number() }),
    replicas: Type.Integer(),
    concurrency: Type.Integer(),
    environmentDigest: Type.String(),
    digest: Type.String({ description: 'Equal for requests that use the same server again.' }),
    createdAt: Type.String({ format: 'date-time' }),
    expiresAt: Type.String({ format: 'date-time' }),
  },
  { title: 'Server' },
)

export const ServerList = Type.Object({ servers: Type.Array(ServerStatusBody) })

const brokerAddress = {
  address: Type.String({ description: 'For ZeroMQ: tcp://host:port.' }),
  host: Type.String({ description: 'For remote_func.set_remote_addr.' }),
  port: Type.String({ description: 'For remote_func.set_remote_port, which wants text.' }),
}
export const BrokerBody = Type.Object({
  ...brokerAddress,
  external: Type.Optional(
    Type.Object(brokerAddress, { description: 'For clients outside the cluster, if another.' }),
  ),
})

export const TokenBody = Type.Object({
  token: Type.String({ description: 'Show it to the broker (remote_func.set_exec_token).' }),
  expiresAt: Type.String({ format: 'date-time' }),
})

export const StartedBody = Type.Object({
  server: ServerStatusBody,
  broker: BrokerBody,
  ...TokenBody.properties,
})

/** The life time's upper bound is a setting. */
export const tokenRequestBody = (maxSeconds: number) =>
  Type.Object(
    {
      server: Type.Optional(name),
      lifetimeSeconds: Type.Optional(
        Type.Integer({ minimum: 1, maximum: maxSeconds, description: 'The token ends after this time.' }),
      ),
    },
    closed,
  )

export const TokenReviewRequest = Type.Object(
  {
    token: Type.String({
      minLength: 1,
      maxLength: MAX_TOKEN,
      description: 'The token that a client showed.',
    }),
  },
  closed,
)

export const ServerReviewRequest = Type.Object(
  {
    credential: Type.String({
      minLength: 1,
      maxLength: MAX_TOKEN,
      description: 'The credential that the server showed.',
    }),
    waitSeconds: Type.Number({
      minimum: 0,
      maximum: MAX_REVIEW_SECONDS,
      description: 'How long the broker waits for the reason.',
    }),
  },
  closed,
)

export const UserBody = Type.Object({
  name: Type.String(),
  groups: Type.Array(Type.String()),
  authenticator: Type.String({ description: 'What proved your token.' }),
  allowedBy: Type.Optional(Type.String({ description: 'The group that lets you in, if a group does.' })),
})

const Bounds = Type.Object({ min: Type.Number(), default: Type.Number(), max: Type.Number() })

export const ProfileList = Type.Object({
  profiles: Type.Array(
    Type.Object({
      name: Type.String(),
      description: Type.String(),
      pythons: Type.Array(Type.String(), { description: 'Python versions offered.' }),
      cpu: Bounds,
      memory: Bounds,
      gpu: Bounds,
      replicas: Bounds,
      lifetimeSeconds: Bounds,
      idleSeconds: Bounds,
      concurrency: Bounds,
      images: Type.Array(Type.String(), {
        description: 'Images that a request may name; * stands for any characters but "/", ":" and "@".',
      }),
      imagesByDigest: Type.Boolean({ description: 'Whether they must be pinned by "@sha256:...".' }),
    }),
  ),
})

/** RFC 9457. */
export const Problem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'What was wrong and what to do.' }),
    code: Type.String({ description: 'Stable; listed in docs/reference/errors.md.' }),
    requestId: Type.String({ description: 'Also in the header X-Request-Id and in the log.' }),
  },
  { title: 'Problem' },
)

const problems = { description: 'Refused', content: { 'application/problem+json': { schema: Problem } } }

/** Answers of a route: its own, and the problems that every route may answer with. */
export function answers<T extends object>(own: T) {
  return { ...own, '4xx': problems, '5xx': { ...problems, description: 'Failed' } }
}
