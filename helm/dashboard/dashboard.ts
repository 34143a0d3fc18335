import { datasource, layOut, type Row, variable } from './panels.ts'

/** What the reader has chosen above the dashboard. */
const CHOSEN = '{job=~"$job", namespace=~"$namespace"}'
const chosen = (metric: string, more = '') => metric + (more ? CHOSEN.replace('}', `, ${more}}`) : CHOSEN)
const rate = (metric: string, more?: string) => `rate(${chosen(metric, more)}[$__rate_interval])`
const sum = (expr: string, ...by: string[]) => `sum by (${by.join(', ')}) (${expr})`
const total = (expr: string) => `sum(${expr})`
const quantile = (share: number, histogram: string, ...by: string[]) =>
  `histogram_quantile(${share}, ${sum(rate(`${histogram}_bucket`), 'le', ...by)})`

const ROWS: Row[] = [
  {
    title: 'HTTP service',
    panels: [
      {
        title: 'Requests by status',
        description: 'Requests answered. 5xx is a fault of rexec or of what it depends on.',
        unit: 'reqps',
        queries: [[sum(rate('rexec_http_requests_total'), 'status'), '{{status}}']],
        stacked: true,
      },
      {
        title: 'Refusals by code',
        description: 'Requests refused or failed; docs/reference/errors.md says what each code means.',
        unit: 'reqps',
        queries: [[sum(rate('rexec_http_refusals_total'), 'code'), '{{code}}']],
        stacked: true,
      },
      {
        title: 'Time to answer',
        description:
          'By route, for 95 of 100 requests. Logs and events are streams: they last as long as one looks.',
        unit: 's',
        queries: [[quantile(0.95, 'rexec_http_request_seconds', 'route'), '{{route}}']],
      },
    ],
  },
  {
    title: 'Servers',
    panels: [
      {
        title: 'Starts by outcome',
        description: 'Requests for a server that were granted, by what came of them.',
        unit: 'reqps',
        queries: [[sum(rate('rexec_server_starts_total'), 'outcome'), '{{outcome}}']],
        stacked: true,
      },
      {
        title: 'Time to start',
        description: 'From the request until a server was ready, or had ended without.',
        unit: 's',
        queries: [
          [quantile(0.5, 'rexec_server_start_seconds', 'outcome'), '{{outcome}}, half'],
          [quantile(0.95, 'rexec_server_start_seconds', 'outcome'), '{{outcome}}, 95 of 100'],
        ],
      },
      {
        title: 'Time in each phase',
        description:
          'Of servers that start, for 95 of 100: waiting for a node, pulling the image, installing packages.',
        unit: 's',
        queries: [[quantile(0.95, 'rexec_server_phase_seconds', 'phase'), '{{phase}}']],
      },
      {
        title: 'Failed starts by code',
        description: 'Servers that failed before they were ready.',
        unit: 'ops',
        queries: [[sum(rate('rexec_server_start_failures_total'), 'code'), '{{code}}']],
        stacked: true,
      },
      {
        title: 'Cleared away',
        description: 'What rexec did without being asked for, and what it could not do: that is tried again.',
        unit: 'ops',
        queries: [
          [sum(rate('rexec_reconciler_acts_total'), 'action'), '{{action}}'],
          [total(rate('rexec_reconciler_failures_total')), 'failed'],
        ],
      },
    ],
  },
  {
    title: 'Identity',
    panels: [
      {
        title: 'Checks by outcome',
        description: 'Tokens shown to an authenticator.',
        unit: 'reqps',
        queries: [
          [
            sum(rate('rexec_identity_checks_total'), 'authenticator', 'outcome'),
            '{{authenticator}}: {{outcome}}',
          ],
        ],
        stacked: true,
      },
      {
        title: 'Remembered tokens',
        description:
          'Tokens looked up among the remembered ones. What is missed is asked of an authenticator.',
        unit: 'reqps',
        queries: [[sum(rate('rexec_identity_cache_total'), 'result'), '{{result}}']],
        stacked: true,
      },
    ],
  },
  {
    title: 'Kubernetes',
    panels: [
      {
        title: 'Watches that hear nothing',
        description: 'Watches of the API server whose changes are not heard of. Should be 0.',
        unit: 'short',
        queries: [
          [
            sum(chosen('rexec_kubernetes_watches', 'state="down"'), 'pod', 'resource'),
            '{{pod}}: {{resource}}',
          ],
        ],
      },
      {
        title: 'Requests to the API server',
        description: 'By verb, resource and code; code 0: no answer.',
        unit: 'reqps',
        queries: [
          [
            sum(rate('rexec_kubernetes_request_seconds_count'), 'verb', 'resource', 'code'),
            '{{verb}} {{resource}} {{code}}',
          ],
        ],
        stacked: true,
      },
      {
        title: 'Time of the API server',
        description: 'Until it answered, for 95 of 100 requests.',
        unit: 's',
        queries: [[quantile(0.95, 'rexec_kubernetes_request_seconds', 'verb'), '{{verb}}']],
      },
    ],
  },
  {
    title: 'Broker',
    panels: [
      {
        title: 'Calls by outcome',
        description: 'Calls that ended.',
        unit: 'ops',
        queries: [[sum(rate('rexec_broker_calls_total'), 'outcome'), '{{outcome}}']],
        stacked: true,
      },
      {
        title: 'Time of calls',
        description: 'From a call to its last event, waiting included: for half and for 95 of 100 calls.',
        unit: 's',
        queries: [
          [quantile(0.5, 'rexec_broker_call_seconds'), 'half'],
          [quantile(0.95, 'rexec_broker_call_seconds'), '95 of 100'],
        ],
      },
      {
        title: 'Time until a server is given a call',
        description: '0 when one was free. Grows while servers start, or when they have too much to do.',
        unit: 's',
        queries: [
          [quantile(0.5, 'rexec_broker_queue_seconds'), 'half'],
          [quantile(0.95, 'rexec_broker_queue_seconds'), '95 of 100'],
        ],
      },
      {
        title: 'Calls under way',
        description: 'Calls that servers have been given, and calls that wait for one.',
        unit: 'short',
        queries: [
          [sum(chosen('rexec_broker_running_calls'), 'pod'), '{{pod}}: running'],
          [sum(chosen('rexec_broker_waiting_calls'), 'pod'), '{{pod}}: waiting'],
        ],
      },
      {
        title: 'Connections',
        description: 'Clients, and servers that have been welcomed. A server connects to every broker.',
        unit: 'short',
        queries: [
          [sum(chosen('rexec_broker_clients'), 'pod'), '{{pod}}: clients'],
          [sum(chosen('rexec_broker_servers'), 'pod'), '{{pod}}: servers'],
        ],
      },
      {
        title: 'Bytes',
        description: 'Functions and arguments from clients, events from servers.',
        unit: 'Bps',
        queries: [
          [total(rate('rexec_broker_client_bytes_total')), 'from clients'],
          [total(rate('rexec_broker_server_bytes_total')), 'from servers'],
        ],
      },
      {
        title: 'Bytes held',
        description: 'For peers that read slowly. At the setting buffers.totalBytes new calls are refused.',
        unit: 'bytes',
        queries: [[sum(chosen('rexec_broker_buffered_bytes'), 'pod'), '{{pod}}']],
      },
      {
        title: 'Refusals by code',
        description: 'Messages and servers refused.',
        unit: 'ops',
        queries: [[sum(rate('rexec_broker_refused_total'), 'code'), '{{code}}']],
        stacked: true,
      },
      {
        title: 'Token reviews',
        description: 'Questions to the proxy about a token and its servers, by answer.',
        unit: 'reqps',
        queries: [[sum(rate('rexec_broker_token_reviews_total'), 'outcome'), '{{outcome}}']],
        stacked: true,
      },
      {
        title: 'Broken protocol',
        description:
          'Peers that did what no client or server of rexec does. Should be 0, but for scanners of ports.',
        unit: 'ops',
        queries: [
          [sum(rate('rexec_broker_unopened_connections_total'), 'port', 'reason'), '{{port}}: {{reason}}'],
          [sum(rate('rexec_broker_server_offences_total'), 'reason'), 'server: {{reason}}'],
          [sum(rate('rexec_broker_dropped_messages_total'), 'reason'), 'dropped: {{reason}}'],
        ],
        stacked: true,
      },
    ],
  },
  {
    title: 'Processes',
    panels: [
      {
        title: 'CPU',
        description: 'Cores used.',
        unit: 'short',
        queries: [[sum(rate('process_cpu_seconds_total'), 'pod'), '{{pod}}']],
      },
      {
        title: 'Memory',
        description: 'Resident memory.',
        unit: 'bytes',
        queries: [[sum(chosen('process_resident_memory_bytes'), 'pod'), '{{pod}}']],
      },
      {
        title: 'Event loop',
        description:
          'How late timers are, at the 99th percentile: above 0.1 s the process has too much to do.',
        unit: 's',
        queries: [[sum(chosen('nodejs_eventloop_lag_p99_seconds'), 'pod'), '{{pod}}']],
      },
    ],
  },
]

/** helm/rexec/dashboards/rexec.json, for Grafana 10 and newer. */
export const dashboard = {
  uid: 'rexec',
  title: 'rexec',
  description: 'Remote execution for JupyterHub: HTTP service, servers, identity, Kubernetes, broker.',
  tags: ['rexec', 'jupyterhub'],
  schemaVersion: 39,
  version: 1,
  editable: true,
  graphTooltip: 1,
  refresh: '1m',
  time: { from: 'now-3h', to: 'now' },
  templating: {
    list: [
      datasource,
      variable('namespace', 'Namespace', 'label_values({__name__=~"rexec_.*"}, namespace)'),
      variable('job', 'Job', 'label_values({__name__=~"rexec_.*", namespace=~"$namespace"}, job)'),
    ],
  },
  annotations: { list: [] },
  links: [],
  panels: layOut(ROWS),
}
