import { followLog } from './api.js'
import { make } from './dom.js'

/** Characters of a log that the page keeps; the oldest go first. */
const MAX_TEXT = 500_000

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

  /** @param {string} chunk */
  function append(chunk) {
    const atEnd = text.scrollHeight - text.scrollTop - text.clientHeight < 8
    text.append(chunk)
    while ((text.textContent?.length ?? 0) > MAX_TEXT && text.firstChild !== text.lastChild)
      text.firstChild?.remove()
    if (atEnd) text.scrollTop = text.scrollHeight
  }

  /** @param {AbortController} own */
  async function follow({ signal }) {
    state.textContent = 'Following…'
    try {
      for await (const chunk of await followLog(name, signal)) append(chunk)
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
