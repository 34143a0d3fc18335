import { type Static, Type } from 'typebox'

export const StaticSettings = Type.Object(
  {
    users: Type.Array(
      Type.Object(
        {
          name: Type.String({ minLength: 1, maxLength: 255, description: 'The exact user name.' }),
          token: Type.String({ minLength: 8, description: 'What proves it. Keep it in a secret.' }),
          groups: Type.Array(Type.String({ minLength: 1 }), {
            default: [],
            description: 'Groups of the user.',
          }),
        },
        { additionalProperties: false },
      ),
      { minItems: 1, description: 'Users with fixed tokens, for trying out and for tests.' },
    ),
  },
  { additionalProperties: false },
)

/** Of a service that is asked over HTTP whose token it is. */
const timeoutMilliseconds = Type.Integer({
  minimum: 100,
  maximum: 30000,
  default: 4000,
  description: 'The whole answer must have come after this time.',
})

export const IdentityApiSettings = Type.Object(
  {
    url: Type.String({
      pattern: '^https?://',
      description: 'Answers whose token it is (AUTH_API_URL of the Rexec deployment API).',
    }),
    method: Type.Union([Type.Literal('get'), Type.Literal('post'), Type.Literal('auto')], {
      default: 'auto',
      description:
        'How the token is shown: get = "Authorization: Bearer", post = JSON {"token"}, auto = whichever first proves a token.',
    }),
    nameClaim: Type.String({
      minLength: 1,
      default: 'sub',
      description: 'Field of the answer that is the user name. It must be one that never changes hands.',
    }),
    namePrefix: Type.String({
      maxLength: 64,
      default: '',
      description: 'Put before every name, so that users of different authenticators cannot share one.',
    }),
    groupsClaim: Type.String({
      minLength: 1,
      default: 'groups',
      description: 'Field of the answer with the groups: texts, or objects with "path" or "name".',
    }),
    timeoutMilliseconds,
    maxAnswerBytes: Type.Integer({
      minimum: 256,
      maximum: 16777216,
      default: 262144,
      description: 'A longer answer is not read.',
    }),
    allowHttp: Type.Boolean({
      default: false,
      description: 'Whether tokens may travel in clear to a host other than this one.',
    }),
  },
  { additionalProperties: false },
)

export const KubernetesIdentitySettings = Type.Object(
  {
    audiences: Type.Array(Type.String({ minLength: 1, maxLength: 255 }), {
      minItems: 1,
      maxItems: 16,
      uniqueItems: true,
      default: ['rexec'],
      description:
        'A token must have been made for one of these audiences. Tokens made for the API server itself are not among them, so that no other program that gets one can use it here.',
    }),
    namePrefix: Type.String({
      maxLength: 64,
      default: '',
      description: 'Put before every name, so that users of different authenticators cannot share one.',
    }),
  },
  { additionalProperties: false, default: {} },
)

export const JupyterhubSettings = Type.Object(
  {
    apiUrl: Type.String({
      pattern: '^https?://[^?#@\\s]*[^?#@\\s/]$',
      description:
        "The hub's API as the proxy reaches it, such as http://hub:8081/hub/api, without a slash at the end.",
    }),
    serviceName: Type.String({
      pattern: '^[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?$',
      default: 'rexec',
      description:
        'What the hub calls this service. A token must have the scope access:services!service=<name>, or access:services.',
    }),
    apiToken: Type.Optional(
      Type.String({
        minLength: 16,
        maxLength: 4096,
        pattern: '^[!-~]+$',
        description:
          "The service's own token at the hub, for the login of browsers and for finding out which users are still there. Keep it in a secret: REXEC_HUB_TOKEN or REXEC_HUB_TOKEN_FILE.",
      }),
    ),
    publicUrl: Type.Optional(
      Type.String({
        pattern: '^(https?://[^?#@\\s]+)?/([^?#\\s]*/)?$',
        description:
          'Where browsers find the hub, with its base_url and a slash at the end. Without it: the prefix of this service without services/<name>.',
      }),
    ),
    timeoutMilliseconds,
    maxAnswerBytes: Type.Integer({
      minimum: 1024,
      maximum: 16777216,
      default: 1048576,
      description: 'A longer answer is not read.',
    }),
    usersSeconds: Type.Integer({
      minimum: 10,
      maximum: 86400,
      default: 300,
      description:
        "The hub's list of users, from which vanished ones are told, is asked for anew after this time. Needs the scope list:users.",
    }),
  },
  { additionalProperties: false },
)

/** Who proves tokens, and how long their word holds (docs/admin/identity.md). */
export const IdentitySettings = Type.Object(
  {
    authenticators: Type.Array(Type.Enum(['jupyterhub', 'identity-api', 'kubernetes', 'static']), {
      minItems: 1,
      uniqueItems: true,
      description:
        'Tried in this order; the first that knows the token decides. Each has a section of its own.',
    }),
    jupyterhub: Type.Optional(JupyterhubSettings),
    identityApi: Type.Optional(IdentityApiSettings),
    kubernetes: KubernetesIdentitySettings,
    static: Type.Optional(StaticSettings),
    maxTokenLength: Type.Integer({
      minimum: 64,
      maximum: 16384,
      default: 8192,
      description: 'Characters of a token; a longer one is refused unseen.',
    }),
    cacheSeconds: Type.Integer({
      minimum: 0,
      maximum: 300,
      default: 45,
      description: 'A proven token is believed for this long; a revoked one lives on for as long at most.',
    }),
    refusedCacheSeconds: Type.Integer({
      minimum: 0,
      maximum: 60,
      default: 5,
      description: 'A refused token stays refused for this long.',
    }),
    cacheEntries: Type.Integer({
      minimum: 1,
      maximum: 1000000,
      default: 10000,
      description: 'Proven tokens remembered, and as many refused ones; the least used is forgotten first.',
    }),
    maxChecks: Type.Integer({
      minimum: 1,
      maximum: 10000,
      default: 256,
      description: 'Tokens checked at the same time; more are told to come back.',
    }),
  },
  { additionalProperties: false },
)

export type StaticSettings = Static<typeof StaticSettings>
export type JupyterhubSettings = Static<typeof JupyterhubSettings>
export type IdentityApiSettings = Static<typeof IdentityApiSettings>
export type KubernetesIdentitySettings = Static<typeof KubernetesIdentitySettings>
export type IdentitySettings = Static<typeof IdentitySettings>
