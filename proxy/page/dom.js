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

/**
 * Asks before something that cannot be taken back. Escape means no, and the focus returns to where it was.
 * @param {{ title: string, text: string, yes: string }} question
 * @returns {Promise<boolean>}
 */
export function confirm({ title, text, yes }) {
  const dialog = find('confirm', HTMLDialogElement)
  find('confirm-title', HTMLElement).textContent = title
  find('confirm-text', HTMLElement).textContent = text
  find('confirm-yes', HTMLElement).textContent = yes
  dialog.returnValue = 'no'
  dialog.showModal()
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true })
  })
}
