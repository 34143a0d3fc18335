/** @import { ServerStatus } from '../pipeline.ts' */
import { getServers, LOGGED_OUT, stopServer } from './api.js'
import { announce, confirm, find, setText, showProblem } from './dom.js'
import { createServerCard, hasEnded, isUnderWay, PHASES } from './server-card.js'

/** Milliseconds between two looks: while something starts or stops, and otherwise. */
const SOON = 1000
const LATER = 5000

const list = find('servers', HTMLUListElement)
const none = find('no-servers', HTMLElement)
const problem = find('problem', HTMLElement)

/** @typedef {ReturnType<typeof createServerCard>} Card */
/** By name and time: a server that takes another's place is another card. @type {Map<string, Card>} */
const cards = new Map()
/** @type {Map<string, string>} */
const phases = new Map()
let wake = () => {}
let over = false

/** Looks again and again, while somebody may be looking too. */
export async function showServers() {
  document.addEventListener('visibilitychange', () => wake())
  document.addEventListener(LOGGED_OUT, () => {
    over = true
  })
  while (!over) {
    let pause = LATER
    try {
      const servers = await getServers()
      show(servers)
      showProblem(problem)
      if (servers.some(isUnderWay)) pause = SOON
    } catch (error) {
      if (!over) showProblem(problem, /** @type {Error} */ (error).message)
    }
    await next(pause)
  }
}

/** Looks at once. */
export function refresh() {
  wake()
}

/**
 * @param {string} name
 * @param {ServerStatus} server that has just been started
 */
export function focusServer(name, server) {
  show([...known.filter((other) => other.name !== name), server])
  const card = cards.get(keyOf(server))
  card?.element.scrollIntoView({ block: 'nearest' })
  card?.heading.focus()
  refresh()
}

/** @type {ServerStatus[]} */
let known = []

/** @param {ServerStatus[]} servers */
function show(servers) {
  known = servers.toSorted((a, b) => a.name.localeCompare(b.name))
  const keys = new Set(known.map(keyOf))
  for (const [key, card] of cards) {
    if (keys.has(key)) continue
    const hadFocus = card.element.contains(document.activeElement)
    card.close()
    card.element.remove()
    cards.delete(key)
    phases.delete(key)
    if (hadFocus) find('servers-title', HTMLElement).focus()
  }
  known.forEach((server, place) => {
    const key = keyOf(server)
    const card = cards.get(key) ?? createServerCard(server, stop)
    cards.set(key, card)
    card.update(server)
    if (list.children[place] !== card.element) list.insertBefore(card.element, list.children[place] ?? null)
    tell(key, server)
  })
  setText(none, 'You have no servers. Start one below, or from a notebook.')
  none.hidden = known.length > 0
}

/**
 * @param {string} key
 * @param {ServerStatus} server
 */
function tell(key, server) {
  const before = phases.get(key)
  phases.set(key, server.phase)
  if (before === undefined || before === server.phase) return
  announce(`${server.name}: ${PHASES[server.phase]}. ${hasEnded(server) ? server.message : ''}`)
}

/** @param {ServerStatus} server */
async function stop(server) {
  const ended = hasEnded(server)
  const question = {
    title: ended ? `Remove ${server.name}?` : `Stop ${server.name}?`,
    text: ended ? 'Its log goes with it.' : 'Calls that run are cut off, and its log and files are lost.',
    yes: ended ? 'Remove' : 'Stop',
  }
  if (!(await confirm(question))) return
  const name = server.name
  announce(`${name} is stopping.`)
  const stopped = stopServer(name)
  refresh()
  try {
    await stopped
    announce(`${name} is gone.`)
    show(known.filter((other) => keyOf(other) !== keyOf(server)))
  } catch (error) {
    showProblem(problem, /** @type {Error} */ (error).message)
  }
  refresh()
}

/** @param {ServerStatus} server */
function keyOf({ name, createdAt }) {
  return `${name} ${createdAt}`
}

/** @param {number} pause in milliseconds; nothing is asked while the page is hidden */
async function next(pause) {
  await new Promise((resolve) => {
    const timer = setTimeout(() => document.hidden || wake(), pause)
    wake = () => {
      if (document.hidden) return
      clearTimeout(timer)
      resolve(undefined)
    }
  })
}
