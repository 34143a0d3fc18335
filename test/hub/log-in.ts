import type { FakeBrowser, Page } from '../support/fake-browser.ts'
import type { Hub } from './hub.ts'

/** What a person does on the hub's login page; resolves with where that leads. */
export async function logIn(
  hub: Hub,
  browser: FakeBrowser,
  user: string,
  page: { url: string; body: string },
): Promise<Page> {
  const xsrf = /name="_xsrf"\s+value="([^"]+)"/.exec(page.body)?.[1] ?? browser.cookie('_xsrf')?.value ?? ''
  const url = new URL(page.url)
  return browser.visit(`${hub.url}hub/login${url.search}`, {
    method: 'POST',
    form: { username: user, password: 'any', _xsrf: xsrf },
  })
}
