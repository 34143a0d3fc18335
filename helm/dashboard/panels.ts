/** What Grafana's dashboards are made of, as far as this one needs it. */
export interface Panel {
  title: string
  description: string
  /** Grafana's name of it: reqps, s, bytes, Bps, short … */
  unit: string
  /** Lines: a query and what each of its series is called. */
  queries: [expr: string, legend: string][]
  /** Whether the lines lie on top of one another. */
  stacked?: boolean
}

export interface Row {
  title: string
  panels: Panel[]
}

/** The width of a dashboard is 24; three panels stand side by side. */
const WIDTH = 8
const HEIGHT = 7
const DATASOURCE = { type: 'prometheus', uid: '$datasource' }

interface Placed {
  id: number
  gridPos: { x: number; y: number; w: number; h: number }
}

/** Rows and panels with their places, in the order given. */
export function layOut(rows: Row[]): Placed[] {
  let id = 0
  let y = 0
  return rows.flatMap(({ title, panels }) => {
    const top = y + 1
    const row = {
      id: ++id,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { x: 0, y, w: 24, h: 1 },
      panels: [],
    }
    y = top + Math.ceil(panels.length / 3) * HEIGHT
    return [
      row,
      ...panels.map((panel, at) => ({
        id: ++id,
        gridPos: { x: (at % 3) * WIDTH, y: top + Math.floor(at / 3) * HEIGHT, w: WIDTH, h: HEIGHT },
        ...timeSeries(panel),
      })),
    ]
  })
}

function timeSeries({ title, description, unit, queries, stacked = false }: Panel): object {
  return {
    type: 'timeseries',
    title,
    description,
    datasource: DATASOURCE,
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        custom: {
          drawStyle: 'line',
          lineWidth: 1,
          fillOpacity: stacked ? 30 : 0,
          showPoints: 'never',
          stacking: { mode: stacked ? 'normal' : 'none' },
        },
      },
      overrides: [],
    },
    options: {
      legend: { displayMode: 'list', placement: 'bottom' },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
    targets: queries.map(([expr, legendFormat], at) => ({
      refId: String.fromCharCode(65 + at),
      datasource: DATASOURCE,
      expr,
      legendFormat,
    })),
  }
}

/** A list above the dashboard from which the reader chooses. */
export function variable(name: string, label: string, query: string): object {
  return {
    name,
    label,
    type: 'query',
    datasource: DATASOURCE,
    query: { query, refId: name },
    definition: query,
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { selected: true, text: 'All', value: '$__all' },
  }
}

export const datasource = {
  name: 'datasource',
  label: 'Data source',
  type: 'datasource',
  query: 'prometheus',
  current: {},
  hide: 0,
}
