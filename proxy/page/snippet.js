import { getBroker } from './api.js'
import { announce, find } from './dom.js'

const place = find('snippet', HTMLElement)
// On a narrow screen it scrolls, for which the keyboard must get there.
place.tabIndex = 0
place.role = 'region'
place.ariaLabel = 'Code for your notebook'

/** What to paste into a notebook; addresses stand in it as they are here. */
export async function showSnippet() {
  find('copy', HTMLButtonElement).addEventListener('click', copy)
  const { host, port } = await getBroker()
  const url = new URL('.', location.href).href.replace(/\/$/, '')
  place.textContent = `%pip install --quiet scidx-rexec==0.1.0 requests

import os
from rexec.client_api import remote_func

url = os.environ.get("REXEC_URL", ${JSON.stringify(url)})
remote_func.set_api_url(url + "/spawn")
remote_func.set_remote_addr(${JSON.stringify(host)})
remote_func.set_remote_port(${JSON.stringify(port)})
remote_func.set_exec_token(os.environ["JUPYTERHUB_API_TOKEN"])

@remote_func
def where():
    import platform
    return platform.python_version(), platform.node()

print(where())`
}

function copy() {
  getSelection()?.selectAllChildren(place)
  // Deprecated, but navigator.clipboard is for secure pages with an origin, and this one has none.
  if (document.execCommand('copy')) {
    getSelection()?.empty()
    announce('Copied.')
    flash('Copied')
  } else {
    announce('The code is selected. Copy it with your keyboard.')
    flash('Selected: press Ctrl+C')
  }
}

/** @param {string} text */
function flash(text) {
  const button = find('copy', HTMLButtonElement)
  button.textContent = text
  setTimeout(() => {
    button.textContent = 'Copy'
  }, 2000)
}
