import { randomUUID } from 'node:crypto'
import { createSeal } from '../../common/seal.ts'
import type { Signer } from '../../common/tokens.ts'
import { FakeBrowser } from './fake-browser.ts'
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
export function sealSession(signer: Signer, token: string, seconds = 60): Promise<string> {
  return createSeal(signer.deriveKey('session'), 'session').close({ id: randomUUID(), token }, seconds)
}

/** A browser that is logged in, and what its page sends along. */
export async function logIn({ signer, url }: TestApp, token = ALICE) {
  const browser = new FakeBrowser()
  browser.toss('rexec-session', await sealSession(signer, token), '/services/rexec/')
  const { body } = await browser.visit(`${url}/`)
  return { browser, cookie: `rexec-session=${browser.cookie('rexec-session')!.value}`, xsrf: xsrfIn(body) }
}

export function xsrfIn(html: string): string {
  return /<meta name="xsrf" content="([\w-]+)">/.exec(html)![1]!
}
