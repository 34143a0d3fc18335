/** @import { Bounds, ServerRequest } from '../pipeline.ts' */
/** @import { OfferedProfile } from './api.js' */
import { getProfiles, Problem, startServer } from './api.js'
import { announce, confirm, find, make, showProblem } from './dom.js'
import { focusServer } from './servers.js'

const form = find('start', HTMLFormElement)
const profile = find('profile', HTMLSelectElement)
const python = find('python', HTMLSelectElement)
const problem = find('start-problem', HTMLElement)
const button = /** @type {HTMLButtonElement} */ (form.querySelector('button[type=submit]'))

/**
 * What may be set within the bounds of a profile, in units for people.
 * @type {{ name: 'cpu' | 'memory' | 'gpu' | 'replicas' | 'concurrency' | 'lifetimeSeconds' | 'idleSeconds', label: string, unit: number, whole?: boolean }[]}
 */
const AMOUNTS = [
  { name: 'cpu', label: 'Cores', unit: 1 },
  { name: 'memory', label: 'Memory in GiB', unit: 2 ** 30 },
  { name: 'gpu', label: 'GPUs', unit: 1, whole: true },
  { name: 'replicas', label: 'Copies', unit: 1, whole: true },
  { name: 'concurrency', label: 'Calls at once', unit: 1, whole: true },
  { name: 'lifetimeSeconds', label: 'Hours until it ends', unit: 3600 },
  { name: 'idleSeconds', label: 'Idle minutes until it ends', unit: 60 },
]
const RESOURCES = ['cpu', 'memory', 'gpu']

/** Fills the form with what this user may ask for. */
export async function offerStart() {
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    void start(false)
  })
  const profiles = await getProfiles()
  profile.replaceChildren(...profiles.map(({ name }) => make('option', { value: name }, name)))
  const chosen = () => {
    const found = profiles.find(({ name }) => name === profile.value)
    if (found) offer(found)
  }
  profile.addEventListener('change', chosen)
  chosen()
}

/** @param {OfferedProfile} offered */
function offer(offered) {
  const before = python.value
  python.replaceChildren(...offered.pythons.map((version) => make('option', { value: version }, version)))
  // None is the right one for everybody: a wrong one shows only at the first call.
  if (offered.pythons.length > 1) python.prepend(make('option', { value: '' }, 'Choose…'))
  python.value = offered.pythons.includes(before) ? before : (python.options[0]?.value ?? '')
  find('profile-description', HTMLElement).textContent = offered.description
  const fields = AMOUNTS.filter(({ name }) => offered[name].min < offered[name].max)
  find('amounts', HTMLElement).replaceChildren(
    ...fields.map((amount) => amountField(amount, offered[amount.name])),
  )
  find('more', HTMLElement).hidden = fields.length === 0
}

/**
 * @param {typeof AMOUNTS[number]} amount
 * @param {Bounds} bounds
 */
function amountField({ name, label, unit, whole = false }, bounds) {
  /** @param {number} value */
  const shown = (value) => `${Math.round((value / unit) * 100) / 100}`
  const hint = make(
    'p',
    { id: `${name}-hint`, class: 'hint' },
    `${shown(bounds.min)} to ${shown(bounds.max)}`,
  )
  const input = make('input', {
    id: name,
    name,
    type: 'number',
    min: shown(bounds.min),
    max: shown(bounds.max),
    step: whole ? '1' : 'any',
    placeholder: shown(bounds.default),
    'aria-describedby': hint.id,
  })
  return make('div', { class: 'field' }, make('label', { for: name }, label), input, hint)
}

/** @returns {ServerRequest} */
function read() {
  const fields = new FormData(form)
  /** @param {string} name */
  const text = (name) => `${fields.get(name) ?? ''}`.trim()
  const requirements = text('requirements')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  /** @type {Record<string, number>} */
  const resources = {}
  /** @type {Record<string, number>} */
  const others = {}
  for (const { name, unit } of AMOUNTS) {
    if (text(name) === '') continue
    const amount = Number(text(name)) * unit
    const isCores = name === 'cpu'
    const place = RESOURCES.includes(name) ? resources : others
    place[name] = isCores ? amount : Math.round(amount)
  }
  return {
    ...(text('name') && { name: text('name') }),
    profile: text('profile'),
    python: text('python'),
    requirements,
    ...others,
    ...(Object.keys(resources).length > 0 && { resources }),
  }
}

/** @param {boolean} replace */
async function start(replace) {
  showProblem(problem)
  if (python.value === '') {
    showProblem(problem, 'Choose the Python version of your notebook.')
    python.focus()
    return
  }
  button.disabled = true
  try {
    const request = read()
    const server = await startServer({ ...request, ...(replace && { replace }) })
    announce(`${server.name} is starting.`)
    focusServer(server.name, server)
  } catch (error) {
    await failed(/** @type {Error} */ (error))
  } finally {
    button.disabled = false
  }
}

/** @param {Error} error */
async function failed(error) {
  if (!(error instanceof Problem) || error.code !== 'server_differs') {
    showProblem(problem, error.message)
    return
  }
  const question = {
    title: 'Replace your server?',
    text: 'A server of this name runs with other packages or another size. Calls that run on it are cut off.',
    yes: 'Replace',
  }
  if (await confirm(question)) await start(true)
}
