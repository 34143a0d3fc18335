import { getUser, LOGGED_OUT } from './api.js'
import { find, make, showProblem } from './dom.js'
import { showServers } from './servers.js'
import { showSnippet } from './snippet.js'
import { offerStart } from './start.js'

// The page came by a form. Now a reload asks for its address, not to send the form once more.
history.replaceState(null, '')
const problem = find('problem', HTMLElement)

document.addEventListener(LOGGED_OUT, () => {
  problem.replaceChildren('Your session is over. ', make('a', { href: 'login' }, 'Log in again'))
  problem.hidden = false
})

async function showUser() {
  const { name } = await getUser()
  find('user', HTMLElement).textContent = name
}

/** One part that fails leaves the others alone. @param {() => Promise<void>} part */
async function run(part) {
  await part().catch((error) => {
    if (problem.hidden) showProblem(problem, error.message)
  })
}

for (const part of [showUser, showServers, offerStart, showSnippet]) void run(part)
