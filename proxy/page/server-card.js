/** @import { Phase, ServerStatus } from '../pipeline.ts' */
import { make, setText } from './dom.js'
import { createLog } from './logs.js'

/** @type {Record<Phase, string>} */
export const PHASES = {
  pending: 'Waiting',
  starting: 'Starting',
  installing: 'Installing',
  ready: 'Ready',
  stopping: 'Stopping',
  stopped: 'Stopped',
  failed: 'Failed',
}
const GIBIBYTE = 2 ** 30
const time = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })

/** @param {ServerStatus} server */
export function hasEnded({ phase }) {
  return phase === 'stopped' || phase === 'failed'
}

/** @param {ServerStatus} server */
export function isUnderWay({ phase }) {
  return phase !== 'ready' && phase !== 'stopped' && phase !== 'failed'
}

/**
 * One server, whose texts change while its elements stay: the focus is not lost.
 * @param {ServerStatus} first
 * @param {(server: ServerStatus) => void} onStop
 */
export function createServerCard(first, onStop) {
  let server = first
  const id = `server-${first.name}`
  const heading = make('h3', { id, tabindex: '-1' }, first.name)
  const phase = make('span', { class: 'phase' })
  const message = make('p', { class: 'reason' })
  const facts = make('dl', { class: 'facts' })
  const log = createLog(first.name, `${id}-log`)
  const logButton = make('button', { type: 'button', 'aria-expanded': 'false', 'aria-controls': `${id}-log` })
  const stopButton = make('button', { type: 'button', class: 'danger-outline' })
  logButton.addEventListener('click', () => {
    logButton.setAttribute('aria-expanded', `${log.toggle()}`)
  })
  stopButton.addEventListener('click', () => {
    if (server.phase !== 'stopping') onStop(server)
  })
  logButton.append('Log', make('span', { class: 'hidden-text' }, ` of ${first.name}`))
  const stopText = document.createTextNode('')
  stopButton.append(stopText, make('span', { class: 'hidden-text' }, ` ${first.name}`))

  const element = make(
    'li',
    { class: 'card server', 'aria-labelledby': id },
    make('div', { class: 'head' }, heading, phase),
    message,
    facts,
    ...packagesOf(first),
    make('div', { class: 'actions' }, logButton, stopButton),
    log.element,
  )
  const ends = fact('Ends by', time.format(new Date(first.expiresAt)))
  facts.append(
    fact('Profile', first.profile),
    fact('Python', first.python),
    fact('Copies', `${first.replicas}`),
    fact('Each', sizeOf(first)),
    ends,
  )

  /** @param {ServerStatus} next */
  function update(next) {
    server = next
    element.dataset.phase = next.phase
    setText(phase, PHASES[next.phase])
    setText(message, next.message)
    message.hidden = next.message === ''
    ends.hidden = hasEnded(next)
    setText(stopText, hasEnded(next) ? 'Remove' : 'Stop')
    // Not "disabled", which would drop the focus.
    stopButton.setAttribute('aria-disabled', `${next.phase === 'stopping'}`)
  }
  update(first)
  return { element, heading, update, close: log.close }
}

/**
 * @param {string} name
 * @param {string} value
 */
function fact(name, value) {
  return make('div', {}, make('dt', {}, name), make('dd', {}, value))
}

/** @param {ServerStatus} server */
function packagesOf({ requirements }) {
  if (requirements.length === 0) return []
  const count = requirements.length === 1 ? '1 package' : `${requirements.length} packages`
  return [
    make(
      'details',
      {},
      make('summary', {}, count),
      make('ul', { class: 'packages' }, ...requirements.map((line) => make('li', {}, line))),
    ),
  ]
}

/** @param {ServerStatus} server */
function sizeOf({ resources: { cpu, memory, gpu } }) {
  const gibibytes = Math.round((memory / GIBIBYTE) * 10) / 10
  const cores = cpu === 1 ? '1 core' : `${cpu} cores`
  return [cores, `${gibibytes} GiB`, ...(gpu > 0 ? [`${gpu} GPU`] : [])].join(', ')
}
