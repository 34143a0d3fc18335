import { type Static, Type } from 'typebox'
import { KubernetesSettings } from './cluster/kubernetes/settings.ts'
import { IdentitySettings } from './identity/settings.ts'
import { SecurityModelSettings } from './security-model/settings.ts'

const section = { additionalProperties: false, default: {} }
const seconds = (fallback: number, minimum: number, maximum: number, description: string) =>
  Type.Integer({ minimum, maximum, default: fallback, description })

/** Every limit of the HTTP service has its name here. */
export const LimitSettings = Type.Object(
  {
    bodyBytes: Type.Integer({
      minimum: 1024,
      maximum: 16777216,
      default: 262144,
      description: 'Bytes of a request body.',
    }),
    bodyDepth: Type.Integer({
      minimum: 4,
      maximum: 64,
      default: 16,
      description: 'Objects and lists within one another in a JSON body.',
    }),
    headerBytes: Type.Integer({
      minimum: 4096,
      maximum: 131072,
      default: 32768,
      description: 'Bytes of a request line and headers.',
    }),
    connections: Type.Integer({
      minimum: 8,
      maximum: 100000,
      default: 2000,
      description: 'Connections at the same time; more are closed at once.',
    }),
    headersSeconds: seconds(10, 1, 120, 'The headers must have arrived after this time.'),
    requestSeconds: seconds(30, 1, 600, 'The whole request must have arrived after this time.'),
    keepAliveSeconds: seconds(72, 1, 600, 'An idle connection is closed after this time.'),
    serversPerUser: Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: 5,
      description: 'Servers that a user may run at the same time.',
    }),
    startsPerUser: Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: 10,
      description:
        'Requests of a user to start or stop a server that may be under way; they are done one after another.',
    }),
    streamsPerUser: Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: 20,
      description: 'Logs and events that a user may follow at the same time.',
    }),
    readySeconds: seconds(5, 1, 60, 'A check of /readyz that takes longer has failed.'),
    readyAgeSeconds: seconds(
      2,
      0,
      60,
      'What /readyz answers may be this old: nobody proves who asks, and each check costs the hub and the API server a request.',
    ),
    accessAuditSeconds: seconds(
      60,
      0,
      86400,
      'Of a user who is not let in, the audit has a line in this time, with how many were left out; 0 means every one.',
    ),
    heartbeatSeconds: seconds(
      15,
      1,
      300,
      'A stream of events sends a comment this often, so that nothing between takes it for dead.',
    ),
  },
  section,
)

/** `rexec proxy --settings FILE` (docs/reference/settings.md). */
export const ProxySettings = Type.Object(
  {
    host: Type.String({ minLength: 1, default: '127.0.0.1', description: 'Address to listen on.' }),
    port: Type.Integer({
      minimum: 0,
      maximum: 65535,
      default: 10101,
      description: 'Port of the service; 0 means any free one.',
    }),
    prefix: Type.String({
      pattern: '^(/[\\w.~-]*[\\w~-])+$',
      default: '/services/rexec',
      description:
        'Where the service is, as the browser sees it: JupyterHub passes /services/<name> on unchanged.',
    }),
    publicUrl: Type.Optional(
      Type.String({
        pattern: '^https?://[^/?#@\\s]+$',
        description:
          'Scheme and host by which users reach the service, without prefix. Else the request tells (see trustProxy).',
      }),
    ),
    trustProxy: Type.Array(Type.String({ minLength: 2 }), {
      default: ['127.0.0.1', '::1'],
      description: 'Addresses or networks whose X-Forwarded-* headers are believed.',
    }),
    trustProxyHops: Type.Integer({
      minimum: 0,
      maximum: 16,
      default: 1,
      description:
        'So many of them stand one behind the other: 1 = the hub\'s proxy alone. The "ip" of log lines is the address that the outermost has heard from; what a client writes into X-Forwarded-For itself lies beyond.',
    }),
    logLevel: Type.String({ default: 'info', description: 'fatal, error, warn, info, debug or trace.' }),
    shutdownDelaySeconds: seconds(
      0,
      0,
      120,
      'After SIGTERM the service says "closing" on /readyz and goes on as usual for this time, so that nothing new is sent to it when it closes.',
    ),
    shutdownSeconds: seconds(25, 1, 600, 'When it closes, requests that run are given this time.'),
    metrics: Type.Object(
      {
        host: Type.String({ minLength: 1, default: '127.0.0.1', description: 'Address for metrics.' }),
        port: Type.Integer({
          minimum: 0,
          maximum: 65535,
          default: 10102,
          description: 'Port of GET /metrics, which no ingress should expose.',
        }),
      },
      section,
    ),
    broker: Type.Object(
      {
        clientAddress: Type.String({
          pattern: '^tcp://.+:[0-9]+$',
          description: 'Where clients reach the broker, such as tcp://rexec.example.org:5559.',
        }),
        externalAddress: Type.Optional(
          Type.String({
            pattern: '^tcp://.+:[0-9]+$',
            description: 'Where clients outside the cluster reach it, if that is another address.',
          }),
        ),
        serverAddresses: Type.Array(Type.String({ pattern: '^tcp://.+:[0-9]+$' }), {
          minItems: 1,
          description:
            'Where servers reach the brokers. A server connects to each, and to every address that a name has, now or later.',
        }),
        credential: Type.String({
          minLength: 32,
          maxLength: 4096,
          pattern: '^[!-~]+$',
          description:
            'What brokers show to have tokens reviewed. Keep it in a secret: REXEC_BROKER_CREDENTIAL or REXEC_BROKER_CREDENTIAL_FILE.',
        }),
      },
      { additionalProperties: false },
    ),
    tokens: Type.Object(
      {
        execSeconds: seconds(3600, 60, 604800, 'Life time of an exec token, unless the request says less.'),
        maxExecSeconds: seconds(43200, 60, 604800, 'The longest life time that a request may ask for.'),
        credentialMarginSeconds: seconds(
          300,
          0,
          86400,
          'A server credential outlives its server by this much, so that the server can end in order.',
        ),
      },
      section,
    ),
    session: Type.Object(
      {
        seconds: seconds(43200, 300, 1209600, 'A browser stays logged in for this time at most.'),
        loginSeconds: seconds(600, 60, 3600, 'A login at the hub must be over after this time.'),
      },
      section,
    ),
    cluster: Type.Object(
      {
        kind: Type.Enum(['kubernetes', 'local'], {
          default: 'local',
          description:
            'Where servers run: kubernetes = Jobs, each user in a namespace; local = child processes, without isolation.',
        }),
        stateFolder: Type.String({
          minLength: 1,
          default: './state',
          description: 'Folder of the local servers and their environments.',
        }),
        kubernetes: KubernetesSettings,
      },
      section,
    ),
    limits: LimitSettings,
    identity: IdentitySettings,
    securityModel: SecurityModelSettings,
  },
  { additionalProperties: false },
)

export type ProxySettings = Static<typeof ProxySettings>
