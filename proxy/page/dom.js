/**
 * The element of this id.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function find(id, kind) {
  const found = document.getElementById(id)
  if (found instanceof kind) return found
  throw new Error(`index.html has no ${kind.name} called ${id}`)
}

/**
 * An element with attributes and content. Whatever comes from elsewhere is text, never markup.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string>} [attributes]
 * @param {(Node | string)[]} content
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, attributes = {}, ...content) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  element.append(...content)
  return element
}

/**
 * Changes a text only when it differs, so that what is marked or read out stays.
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text
}

/**
 * Shows a problem at its place, or takes it away.
 * @param {HTMLElement} place
 * @param {string} [text]
 */
export function showProblem(place, text = '') {
  setText(place, text)
  place.hidden = text === ''
}

/**
 * For screen readers: what has changed.
 * @param {string} text
 */
export function announce(text) {
  find('news', HTMLElement).textContent = text
}

const dialog = find('confirm', HTMLDialogElement)
/** Answers the question that was asked last. @type {((isYes: boolean) => void) | undefined} */
let answer

function answered() {
  answer?.(dialog.returnValue === 'yes')
  answer = undefined
}

dialog.addEventListener('close', () => {
  if (!dialog.open) answered()
})

/**
 * Asks before something that cannot be taken back. Escape means no, and the focus returns to where it was.
 * @param {{ title: string, text: string, yes: string }} question
 * @returns {Promise<boolean>}
 */
export function confirm({ title, text, yes }) {
  // The browser says "close" some time after it has closed: perhaps only when the next question is there.
  answered()
  find('confirm-title', HTMLElement).textContent = title
  find('confirm-text', HTMLElement).textContent = text
  find('confirm-yes', HTMLElement).textContent = yes
  dialog.returnValue = 'no'
  dialog.showModal()
  return new Promise((resolve) => {
    answer = resolve
  })
}
