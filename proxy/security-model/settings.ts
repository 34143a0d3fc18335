import { type Static, Type } from 'typebox'
import { PodSettings } from './pod-settings.ts'
import { QUANTITY } from './quantity.ts'

const HOUR = 3600

const quantity = (fallback: number | string) =>
  Type.Union([Type.Number({ minimum: 0 }), Type.String({ pattern: QUANTITY })], { default: fallback })

/** Smallest, largest and default value that a request may ask for. */
function bounds(description: string, min: number | string, fallback: number | string, max: number | string) {
  return Type.Object(
    { min: quantity(min), default: quantity(fallback), max: quantity(max) },
    { additionalProperties: false, default: {}, description },
  )
}

export const ProfileSettings = Type.Object(
  {
    name: Type.String({
      pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$',
      description: 'What requests call it.',
    }),
    description: Type.String({ default: '', description: 'A sentence for the user who chooses.' }),
    pythons: Type.Record(Type.String({ pattern: '^3\\.[0-9]{1,2}$' }), Type.String({ minLength: 1 }), {
      default: {
        '3.9': 'python:3.9-slim',
        '3.10': 'python:3.10-slim',
        '3.11': 'python:3.11-slim',
        '3.12': 'python:3.12-slim',
        '3.13': 'python:3.13-slim',
      },
      additionalProperties: false,
      description: 'Python versions offered, each with its image (Kubernetes) or interpreter (local).',
    }),
    groups: Type.Array(Type.String({ pattern: '[^/]' }), {
      default: [],
      description: 'Groups that may use the profile; empty means everybody.',
    }),
    images: Type.Array(Type.String({ minLength: 1, maxLength: 512 }), {
      default: [],
      description:
        'Images that a request may name instead (Kubernetes only): written in full, where * stands for any characters but "/", ":" and "@", such as "registry.example.org/science/*:*". Empty means none.',
    }),
    imagesByDigest: Type.Boolean({
      default: false,
      description: 'Whether an image that a request names must be pinned: "...@sha256:<64 hex digits>".',
    }),
    pod: PodSettings,
    cpu: bounds('Cores of each replica, in steps of 0.001.', '100m', 1, 4),
    memory: bounds('Bytes of memory of each replica.', '128Mi', '1Gi', '8Gi'),
    gpu: bounds('GPUs of each replica.', 0, 0, 0),
    replicas: bounds('Copies of the server that share its calls.', 1, 1, 1),
    lifetimeSeconds: bounds('A server ends after this many seconds.', 60, 8 * HOUR, 24 * HOUR),
    idleSeconds: bounds('A server ends after this many seconds without a call.', 60, HOUR, 24 * HOUR),
    concurrency: bounds('Calls that run at once in each replica.', 1, 4, 16),
  },
  { additionalProperties: false },
)

const names = (description: string) =>
  Type.Array(Type.String({ pattern: '[^/]' }), { default: [], description })

/** What users may ask for. The defaults alone make a working service (docs/admin/security-model.md). */
export const SecurityModelSettings = Type.Object(
  {
    access: Type.Object(
      {
        allowUsers: names('Users who may use the service. With allowGroups empty as well: everybody known.'),
        allowGroups: names('Groups whose members may use the service.'),
        denyUsers: names('Users who may not, whatever else allows them.'),
        denyGroups: names('Groups whose members may not, whatever else allows them.'),
      },
      { additionalProperties: false, default: {} },
    ),
    profiles: Type.Array(ProfileSettings, {
      minItems: 1,
      default: [{ name: 'default' }],
      description: "What servers may be. The first one open to a user is that user's default.",
    }),
    names: Type.Object(
      {
        maxLength: Type.Integer({
          minimum: 1,
          maximum: 30,
          default: 30,
          description: 'Characters of a server name. Names of its objects are built from it.',
        }),
      },
      { additionalProperties: false, default: {} },
    ),
    requirements: Type.Object(
      {
        maxCount: Type.Integer({
          minimum: 0,
          maximum: 1000,
          default: 100,
          description: 'Requirements of a server.',
        }),
        maxLength: Type.Integer({
          minimum: 16,
          maximum: 1024,
          default: 512,
          description: 'Characters of one requirement. (A marker may nest as deep as it is long.)',
        }),
        base: Type.Array(Type.String(), {
          default: ['dill==0.4.0'],
          description:
            'Installed in every server, unless its own requirements name the same package. Functions cannot be read without dill, and its version must match what the clients use.',
        }),
      },
      { additionalProperties: false, default: {} },
    ),
    env: Type.Object(
      {
        maxCount: Type.Integer({
          minimum: 0,
          maximum: 1000,
          default: 64,
          description: 'Variables of a server.',
        }),
        maxNameLength: Type.Integer({
          minimum: 1,
          maximum: 1024,
          default: 128,
          description: 'Characters of a name.',
        }),
        maxValueBytes: Type.Integer({
          minimum: 0,
          maximum: 131072,
          default: 8192,
          description: 'Bytes of one value, as UTF-8.',
        }),
        maxTotalBytes: Type.Integer({
          minimum: 0,
          maximum: 524288,
          default: 65536,
          description: 'Bytes of all names and values together.',
        }),
        deniedPrefixes: Type.Array(Type.String({ minLength: 1 }), {
          default: [
            'REXEC_',
            'KUBERNETES_',
            'LD_',
            'DYLD_',
            'PYTHON',
            'PIP_',
            'UV_',
            'NODE_',
            'SSL_',
            'OPENSSL_',
            'GLIBC_',
            'XDG_',
            'BASH_',
            'NVIDIA_',
          ],
          description:
            'Names that begin with one of these are refused: they steer the loader, Python, the installer or the container runtime.',
        }),
        deniedNames: Type.Array(Type.String({ minLength: 1 }), {
          default: [
            'PATH',
            'HOME',
            'USER',
            'LOGNAME',
            'SHELL',
            'PWD',
            'IFS',
            'ENV',
            'TMPDIR',
            'HOSTNAME',
            'HOSTALIASES',
            'LOCPATH',
            'NLSPATH',
            'GCONV_PATH',
            'VIRTUAL_ENV',
            'NETRC',
            'HTTP_PROXY',
            'HTTPS_PROXY',
            'ALL_PROXY',
            'NO_PROXY',
            'REQUESTS_CA_BUNDLE',
            'CURL_CA_BUNDLE',
          ],
          description: 'Names that are refused, for the same reason.',
        }),
      },
      { additionalProperties: false, default: {} },
    ),
  },
  { additionalProperties: false, default: {} },
)

export type ProfileSettings = Static<typeof ProfileSettings>
export type SecurityModelSettings = Static<typeof SecurityModelSettings>
