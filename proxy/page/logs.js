import { followLog } from './api.js'
import { make } from './dom.js'

/** Lines of a log that the page keeps; the oldest go first. */
const MAX_LINES = 5000
/** What our own programs log, behind the name of the one that did. */
const OUR_LINE = /^([\w-]+: )?(\{.*\})$/

/**
 * A log that follows while it is open.
 * @param {string} name of the server
 * @param {string} id of the element
 */
export function createLog(name, id) {
  const text = make('pre', {
    class: 'code',
    tabindex: '0',
    role: 'log',
    'aria-live': 'off',
    'aria-label': `Log of ${name}`,
  })
  const state = make('p', { class: 'hint' })
  const element = make('div', { id, class: 'log' }, text, state)
  element.hidden = true
  /** @type {AbortController | undefined} */
  let following

  /** @param {string[]} lines */
  function append(lines) {
    const atEnd = text.scrollHeight - text.scrollTop - text.clientHeight < 8
    text.append(...lines.map((line) => `${readable(line)}\n`))
    while (text.childNodes.length > MAX_LINES) text.firstChild?.remove()
    if (atEnd) text.scrollTop = text.scrollHeight
  }

  /** @param {AbortController} own */
  async function follow({ signal }) {
    state.textContent = 'Following…'
    try {
      let rest = ''
      for await (const chunk of await followLog(name, signal)) {
        const lines = (rest + chunk).split('\n')
        rest = lines.pop() ?? ''
        append(lines)
      }
      state.textContent = 'This is the end of the log.'
    } catch (error) {
      if (!signal.aborted) state.textContent = `The log broke off: ${/** @type {Error} */ (error).message}`
    }
  }

  function close() {
    following?.abort()
    element.hidden = true
  }

  return {
    element,
    close,
    /** @returns {boolean} whether it is open now */
    toggle() {
      if (!element.hidden) {
        close()
        return false
      }
      element.hidden = false
      text.replaceChildren()
      following = new AbortController()
      void follow(following)
      return true
    },
  }
}

/**
 * A line of ours as time and words; any other as it is.
 * @param {string} line
 */
function readable(line) {
  const [, source = '', json] = OUR_LINE.exec(line) ?? []
  if (!json) return line
  try {
    const { time, state, message, msg } = JSON.parse(json)
    const words = [state, message ?? msg].filter((part) => typeof part === 'string' && part !== '').join(': ')
    return words && time ? `${new Date(time).toLocaleTimeString()} ${source}${words}` : line
  } catch {
    return line
  }
}
