import { type Static, Type } from 'typebox'

/**
 * What a server is told about itself: the proxy writes this file (local: into the server's folder; Kubernetes: into
 * the Job's Secret) and the agent reads it. The credential lies in a file of its own.
 */
export const AgentSettings = Type.Object(
  {
    name: Type.String({ minLength: 1, description: "The server's name among the user's servers." }),
    brokers: Type.Array(Type.String({ pattern: '^tcp://' }), {
      minItems: 1,
      description:
        'Addresses of the brokers for servers, such as tcp://rexec-broker:5560. The agent connects to each, and to all that a name has.',
    }),
    discoverySeconds: Type.Integer({
      minimum: 1,
      maximum: 3600,
      default: 5,
      description: 'Time between two look-ups of names in brokers.',
    }),
    credentialFile: Type.String({ minLength: 1, description: 'File with the server credential (a JWT).' }),
    socket: Type.String({
      minLength: 1,
      description: 'Path of the Unix socket on which the worker finds the agent.',
    }),
    environmentsFolder: Type.String({
      minLength: 1,
      description: 'Folder of installed environments, one per digest; a finished one is used again.',
    }),
    environmentDigest: Type.String({
      pattern: '^[0-9a-f]{64}$',
      description: 'SHA-256 over Python version and requirements: the name of the environment.',
    }),
    python: Type.String({ pattern: '^3\\.[0-9]{1,2}$', description: 'Python version of the environment.' }),
    requirements: Type.Array(Type.String(), { default: [], description: 'Approved requirements (PEP 508).' }),
    dill: Type.String({
      default: 'dill==0.4.0',
      description:
        'The dill to install where the requirements name none. It must match what the clients use.',
    }),
    indexUrl: Type.Optional(
      Type.String({ description: 'Package index for the installer, instead of PyPI.' }),
    ),
    trustedHosts: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      description:
        'Hosts of an index whose certificate the installer does not check, or that has none: host or host:port.',
    }),
    systemSitePackages: Type.Boolean({
      default: false,
      description: "Whether functions also see the packages of the image's own Python.",
    }),
    concurrency: Type.Integer({
      minimum: 1,
      maximum: 256,
      default: 4,
      description: 'Calls that run at once.',
    }),
    prefork: Type.Integer({
      minimum: 1,
      maximum: 64,
      default: 4,
      description: 'Processes kept ready, so that a call starts at once.',
    }),
    idleSeconds: Type.Integer({
      minimum: 0,
      default: 3600,
      description: 'The server ends after this many seconds without a call; 0 means never.',
    }),
    lifetimeSeconds: Type.Integer({
      minimum: 0,
      default: 0,
      description: 'The server ends after this many seconds whatever it does; 0 means never.',
    }),
    drainSeconds: Type.Integer({
      minimum: 0,
      default: 30,
      description: 'When told to stop, the server lets running calls go on for this many seconds.',
    }),
    workerSeconds: Type.Integer({
      minimum: 0,
      default: 60,
      description:
        'The worker must have found the agent after this many seconds; 0 means never, where others watch its start.',
    }),
    installSeconds: Type.Integer({
      minimum: 1,
      default: 1800,
      description: 'The installer must be done after this many seconds.',
    }),
    maxResultBytes: Type.Integer({
      minimum: 1024,
      default: 2147483648,
      description: 'A larger return value or yielded item is an error.',
    }),
    memoryBytes: Type.Optional(
      Type.Integer({
        minimum: 1048576,
        description:
          'Memory of one call, where no container limits it: beyond it Python raises MemoryError (RLIMIT_DATA).',
      }),
    ),
    fileBytes: Type.Optional(
      Type.Integer({
        minimum: 1048576,
        description: 'Size of the largest file that the worker and all below it can write (RLIMIT_FSIZE).',
      }),
    ),
    sidecar: Type.Boolean({
      default: false,
      description:
        'The agent is the sidecar of a pod, where it would be started again: after the end of the server it waits for SIGTERM.',
    }),
    readyPort: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 65535,
        description: 'A TCP port that is open while the server takes calls, for a readiness probe.',
      }),
    ),
    terminationMessageFile: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'File for the last state, one JSON object of at most 4096 bytes. Kubernetes reads /dev/termination-log.',
      }),
    ),
    logLevel: Type.String({ default: 'info', description: 'fatal, error, warn, info, debug or trace.' }),
  },
  { additionalProperties: false },
)

export type AgentSettings = Static<typeof AgentSettings>

/**
 * The agent says how it is on stdout, one JSON line each with `event: "state"`, beside its log lines: the local
 * cluster and `kubectl logs` read it there. Why the server ended also lies, without `event`, in the file
 * `terminationMessageFile`.
 */
export interface AgentStateLine {
  event: 'state'
  state: 'starting' | 'installing' | 'ready' | 'failed' | 'stopping'
  /** A progress line or the reason of a failure. */
  message: string
  /** Error code of common/errors.ts when failed. */
  code?: string
}
