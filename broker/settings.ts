import { type Static, type TProperties, Type } from 'typebox'
import { MAX_REVIEW_SECONDS } from '../common/server-review.ts'
import { loadSettings, SettingsError } from '../common/settings.ts'

const MiB = 1024 * 1024

/** A group of settings that may be left out: each has a default. */
const group = <T extends TProperties>(properties: T) =>
  Type.Object(properties, { additionalProperties: false, default: {} })
const count = (fallback: number, description: string, minimum = 1) =>
  Type.Integer({ minimum, default: fallback, description })
const seconds = (fallback: number, description: string) =>
  Type.Number({ exclusiveMinimum: 0, default: fallback, description })
const port = (fallback: number, who: string) =>
  Type.Integer({
    minimum: 0,
    maximum: 65535,
    default: fallback,
    description: `Port for ${who}; 0 is any free one.`,
  })
const host = (fallback: string, who: string) =>
  Type.String({ minLength: 1, default: fallback, description: `Address on which to listen for ${who}.` })

/** The settings of `rexec broker`. */
export const BrokerSettings = Type.Object(
  {
    clients: group({
      host: host('127.0.0.1', 'clients'),
      port: port(5559, 'clients'),
      maxConnections: count(10_000, 'Clients connected at once.'),
      maxPerAddress: count(
        5_000,
        'Clients connected at once from one address. All behind a NodePort or NAT may share one.',
      ),
    }),
    servers: group({
      host: host('127.0.0.1', 'servers'),
      port: port(5560, 'servers'),
      maxConnections: count(5_000, 'Servers connected at once.'),
      maxPerAddress: count(1_000, 'Servers connected at once from one address.'),
      maxConcurrency: count(1024, 'A server that says it runs more calls at once gets only so many.'),
      heartbeatSeconds: seconds(5, 'Time between heartbeats in both directions.'),
      timeoutSeconds: seconds(20, 'A server that is silent for so long is lost.'),
      reasonSeconds: Type.Number({
        minimum: 0,
        maximum: MAX_REVIEW_SECONDS,
        default: 3,
        description:
          'When a server is lost, the proxy is asked why, and its calls wait for the answer for this time; 0 asks nobody. Below proxy.timeoutSeconds.',
      }),
      maxReasons: count(
        100,
        'Such questions under way at once; calls of further servers are told only that it is lost.',
      ),
    }),
    admin: group({
      host: host('127.0.0.1', 'GET /metrics, /healthz and /readyz'),
      port: port(9559, 'GET /metrics, /healthz and /readyz'),
    }),
    proxy: group({
      url: Type.String({
        pattern: '^https?://',
        default: 'http://127.0.0.1:10101/services/rexec',
        description: "The proxy's address with its prefix, asked whose token a foreign token is.",
      }),
      credentialFile: Type.String({
        minLength: 1,
        default: '/etc/rexec/broker-credential',
        description: 'File with the broker credential that the proxy knows.',
      }),
      timeoutSeconds: seconds(10, 'Time for one question to the proxy.'),
    }),
    publicKeysFile: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          "File with the proxy's public keys (a JSON Web Key Set), for exec tokens and server credentials. Without it the broker reads them from the proxy.",
      }),
    ),
    keys: group({
      refreshSeconds: seconds(60, 'The keys are read from the proxy again after this time.'),
      pauseSeconds: seconds(
        2,
        'Between two readings there is at least this time, also when a token names an unknown key or the proxy is away.',
      ),
      maxWaiting: count(
        1000,
        'Tokens by unknown keys that wait for the next reading; further ones are answered identity_unavailable.',
      ),
    }),
    acceptIdentityTokens: Type.Boolean({
      default: true,
      description:
        'Whether clients may show the token that they show the proxy, as the Rexec clients do. Without it only exec tokens are accepted.',
    }),
    tokens: group({
      rememberSeconds: seconds(45, 'A proven token is asked about again after this time.'),
      refusedSeconds: seconds(5, 'A refused token is asked about again after this time.'),
      maxRemembered: count(10_000, 'Tokens remembered; the oldest is forgotten first.'),
      maxChecks: count(
        256,
        'Questions to the proxy under way at once; further tokens are answered broker_overloaded.',
      ),
    }),
    connections: group({
      handshakeSeconds: seconds(10, 'Time for the ZMTP handshake, and for the READY of a server after it.'),
      pingSeconds: seconds(30, 'A peer of ZMTP 3.1 that is silent for so long is sent PING.'),
      pingTimeoutSeconds: seconds(20, 'It is closed when nothing comes within this time after PING.'),
      stallSeconds: seconds(60, 'A client that reads nothing for so long loses its calls (client_too_slow).'),
      lingerSeconds: seconds(5, 'Time for the last words to a peer that is being closed.'),
    }),
    messages: group({
      cutThroughBytes: Type.Integer({
        minimum: 1024,
        maximum: MiB,
        default: MiB,
        description: 'Messages up to this size are stored and forwarded; what is longer streams through.',
      }),
      maxBytes: count(2048 * MiB, 'A longer message is refused (message_too_large).', 1024),
      maxFrames: count(64, 'Frames of a message, envelope included.', 4),
      maxCommandBytes: count(4096, 'Bytes of a ZMTP command.', 256),
    }),
    buffers: group({
      connectionBytes: count(
        4 * MiB,
        'Bytes that may wait for one peer; then the peers that feed it are paused.',
        1024,
      ),
      totalBytes: count(
        1024 * MiB,
        'Bytes held in all; then new calls are answered broker_overloaded.',
        1024,
      ),
    }),
    queue: group({
      maxPerUser: count(1000, 'Calls of one user that may wait; further ones are answered queue_full.'),
      maxBytesPerUser: count(64 * MiB, 'Their bytes.', 1024),
      max: count(100_000, 'Waiting calls of all users; further ones are answered broker_overloaded.'),
      maxBytes: count(512 * MiB, 'Their bytes.', 1024),
      timeoutSeconds: seconds(1800, 'A call that has waited for so long ends with an error.'),
      connectSeconds: seconds(
        60,
        'A call to a server that is ready, and not connected to this broker, ends after this time (server_not_connected).',
      ),
      askSeconds: seconds(
        1,
        "Time between questions about a user's servers while calls wait and none is connected.",
      ),
    }),
    drainSeconds: Type.Number({
      minimum: 0,
      default: 25,
      description:
        'On SIGTERM no client is let in any more, and the calls of those that are connected may go on for this time; then they end with broker_stopping.',
    }),
    settleSeconds: Type.Number({
      minimum: 0,
      default: 1,
      description:
        'The broker ends before that when clients that stay connected have called nothing for this time.',
    }),
    logLevel: Type.String({ default: 'info', description: 'fatal, error, warn, info, debug or trace.' }),
  },
  { additionalProperties: false },
)

export type BrokerSettings = Static<typeof BrokerSettings>

/** The settings of a file. @throws SettingsError also when they do not fit together */
export function readBrokerSettings(text: string): BrokerSettings {
  const settings = loadSettings(BrokerSettings, text)
  const { servers, proxy } = settings
  if (servers.reasonSeconds >= proxy.timeoutSeconds) {
    throw new SettingsError([
      'servers.reasonSeconds: must be below proxy.timeoutSeconds, else no reason ever comes in time',
    ])
  }
  return settings
}
