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

/** A service of the hub that people log in at. */
export interface OauthClient {
  name: string
  secret: string
  callback: string
}

/** The token that a service is given when somebody logs in there (RFC 6749, 4.1). */
export async function tokenOfLogin(
  hub: Hub,
  browser: FakeBrowser,
  user: string,
  { name, secret, callback }: OauthClient,
): Promise<string> {
  const client = { client_id: `service-${name}`, redirect_uri: callback }
  await logIn(hub, browser, user, await browser.visit(`${hub.url}hub/login`))
  const query = new URLSearchParams({ ...client, response_type: 'code', state: 'x' })
  const granted = await browser.visit(`${hub.url}hub/api/oauth2/authorize?${query}`, { redirects: 0 })
  const code = new URL(`${granted.headers.location}`, hub.url).searchParams.get('code')!
  const form = { ...client, client_secret: secret, grant_type: 'authorization_code', code }
  const answer = await fetch(`${hub.apiUrl}/oauth2/token`, {
    method: 'POST',
    body: new URLSearchParams(form),
  })
  return ((await answer.json()) as { access_token: string }).access_token
}
