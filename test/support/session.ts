import { createSeal } from '../../common/seal.ts'
import type { Signer } from '../../common/tokens.ts'
import { FakeBrowser, NAVIGATION, type Page } from './fake-browser.ts'
import { ALICE, STATIC, type TestApp } from './test-app.ts'

/** Settings with a hub to log in at, which does not answer; the tokens of sessions are those of static users. */
export const LOGIN = {
  identity: {
    ...STATIC,
    jupyterhub: {
      apiUrl: 'http://127.0.0.1:9/hub/api',
      apiToken: 'service-token-0123456789abcdef',
      timeoutMilliseconds: 500,
    },
  },
}

/** The session cookie of this token, as a login leaves it. */
export function sealSession(signer: Signer, token: string, seconds = 60, user = 'alice'): Promise<string> {
  const endsAt = Math.floor(Date.now() / 1000) + seconds
  return createSeal(signer.deriveKey('cookie'), 'cookie').close({ token, user, endsAt }, seconds)
}

/** What a browser says of a form that one of our pages sends. */
export const FORM_OF_OURS = { ...NAVIGATION, 'sec-fetch-site': 'same-origin' }

/** Our page, as the form that is there first asks for it. */
export async function openPage(browser: FakeBrowser, url: string): Promise<Page> {
  const form = await browser.visit(url)
  if (!form.body.includes('id="open"')) return form
  const headers = { ...FORM_OF_OURS, origin: new URL(form.url).origin }
  return browser.visit(form.url, { method: 'POST', form: {}, headers })
}

/** A browser that is logged in, and what its page has been given: the header of its requests, and what ends the session. */
export async function logIn({ signer, url }: TestApp, token = ALICE) {
  const browser = new FakeBrowser()
  browser.toss('rexec-session', await sealSession(signer, token), '/services/rexec/')
  const { body } = await openPage(browser, `${url}/`)
  return { browser, cookie: `rexec-session=${browser.cookie('rexec-session')!.value}`, ...givenIn(body) }
}

/** What is in the HTML of our page. */
export function givenIn(html: string): { authorization: string; logout: string } {
  const [, session] = /<meta name="session" content="([\w.-]+)">/.exec(html)!
  const [, logout] = /name="shown" value="([\w.-]+)"/.exec(html)!
  return { authorization: `Session ${session}`, logout: logout! }
}
