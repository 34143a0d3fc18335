import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { type Hub, hubMissing, startHub } from '../hub/hub.ts'
import { client, findClient } from '../support/clients.ts'
import { freePort } from '../support/free-port.ts'
import { openNotebook } from '../support/notebook.ts'
import { startSeparateService } from '../support/separate-service.ts'
import { startApp } from '../support/test-app.ts'
import {
  accessibilityProblems,
  chromiumMissing,
  keepScreenshot,
  logIn,
  startChromium,
  watchPage,
} from './chromium.ts'

const { python, skip: noClient } = await findClient(client)
const skip = (await chromiumMissing()) ?? (await hubMissing()) ?? noClient

interface Focusable {
  matches(selector: string): boolean
}

/** Whoever waits for something on the page waits no longer than the whole test. */
const PATIENCE = 240_000

t.test('the page, in a browser, behind the proxy of a hub', { skip }, async (t) => {
  const port = await freePort()
  const hub = await startHub(t, { serviceUrl: `http://127.0.0.1:${port}` })
  const service = await startSeparateService(t, {
    port,
    proxy: {
      identity: {
        authenticators: ['jupyterhub'],
        jupyterhub: { apiUrl: hub.apiUrl, apiToken: hub.serviceToken },
        cacheSeconds: 1,
      },
    },
  })
  const version = await minorVersion(python)
  const browser = await startChromium(t)
  const context = await browser.newContext({ viewport: { width: 1100, height: 900 } })
  context.setDefaultTimeout(PATIENCE)
  const page = await context.newPage()
  const url = `${hub.url}services/rexec/`
  const card = page.getByRole('listitem').filter({ has: page.getByRole('heading', { name: 'default' }) })
  const press = async (...keys: string[]) => {
    for (const key of keys) await page.keyboard.press(key)
  }
  /** Presses Tab until this element has the focus. */
  const tabTo = async (name: string, role: Parameters<Page['getByRole']>[0] = 'button') => {
    const wanted = page.getByRole(role, { name, exact: true })
    for (let presses = 0; presses < 40; presses++) {
      await press('Tab')
      if (await wanted.evaluate((element: Focusable) => element.matches(':focus'))) return
    }
    throw new Error(`${name} cannot be reached by Tab`)
  }

  await page.goto(url)
  await logIn(page, 'alice')
  await page.waitForURL(url)
  const complaints = watchPage(page, new URL(url).origin)
  await page.getByText('You have no servers').waitFor()

  await t.test('says who is logged in, and what may be asked for', async (t) => {
    t.equal(await page.locator('#user').textContent(), 'alice')
    t.equal(await page.title(), 'Your servers · rexec')
    t.match(await page.locator('#snippet').textContent(), `"${service.broker.client.split(':').at(-1)}"`)
    t.same(await accessibilityProblems(page), [])
    await keepScreenshot(t, page, 'empty')
  })

  await t.test('a refusal is shown as the service says it', async (t) => {
    await page.getByLabel('Python').selectOption(version)
    await page.getByLabel('Packages').fill('numpy @ https://evil.example/x.whl <img src=x onerror=alert(1)>')
    await page.getByRole('button', { name: 'Start' }).click()
    const problem = page.locator('#start-problem')
    await problem.waitFor()
    t.match(await problem.textContent(), 'requirements[0]')
    t.equal(await problem.getAttribute('role'), 'alert')
    t.same(await accessibilityProblems(page), [])
    await keepScreenshot(t, page, 'refused')
    await page.getByLabel('Packages').fill('')
  })

  await t.test('a server is started by the keyboard alone, and is told when it is ready', async (t) => {
    await page.reload()
    await page.getByText('You have no servers').waitFor()
    await press('Tab')
    t.equal(await page.locator(':focus').textContent(), 'Skip to your servers')
    await tabTo('Python', 'combobox')
    await page.keyboard.type(version)
    await tabTo('Packages', 'textbox')
    await page.keyboard.type('six==1.17.0')
    await tabTo('Start')
    await press('Enter')
    await card.waitFor()
    t.equal(await page.locator(':focus').textContent(), 'default', 'the focus is on the new server')
    await card.locator('[class=phase]', { hasText: 'Ready' }).waitFor()
    await page.locator('#news', { hasText: 'default: Ready.' }).waitFor({ state: 'attached' })
    t.match(
      await card.textContent(),
      new RegExp(`Profilelocal.*Python${version}.*2 packages.*six==1\\.17\\.0`, 's'),
    )
  })

  await t.test('its log follows, while what the page says to paste runs on it', async (t) => {
    await tabTo('Log of default')
    await press('Enter')
    const log = page.getByRole('log')
    await log.filter({ hasText: 'six' }).waitFor()
    const snippet = (await page.locator('#snippet').textContent())!
    const notebook = openNotebook(t, python, { ...service, token: '' })
    const token = JSON.stringify(await hub.token('alice'))
    await notebook.run(`import os; os.environ["JUPYTERHUB_API_TOKEN"] = ${token}`)
    // The client is there already; what remains is what the cell does.
    const cell = snippet.replace(/^%pip.*\n/, '').replace('print(where())', 'where()')
    const [ranOn] = await notebook.run<[string, string]>(cell)
    t.ok(ranOn.startsWith(`${version}.`), ranOn)
    t.same(await accessibilityProblems(page), [])
  })

  await t.test('what there is to paste is copied by the keyboard, and that is told', async (t) => {
    await tabTo('Copy')
    await press('Enter')
    await page.locator('#news', { hasText: 'Copied.' }).waitFor({ state: 'attached' })
    t.equal(await page.locator(':focus').textContent(), 'Copied', 'the focus stays')
    const other = await context.newPage()
    await other.goto(`${hub.url}hub/login`)
    await context.grantPermissions(['clipboard-read'])
    t.equal(
      await other.evaluate('navigator.clipboard.readText()'),
      await page.locator('#snippet').textContent(),
    )
    await other.close()
  })

  await t.test('light, dark, and on a narrow screen', async (t) => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      t.same(await accessibilityProblems(page), [], colorScheme)
      await keepScreenshot(t, page, colorScheme)
    }
    await page.setViewportSize({ width: 320, height: 640 })
    t.equal(await page.evaluate('document.documentElement.scrollWidth'), 320, 'nothing is cut off')
    await page.locator('#more summary').click()
    t.equal(await page.evaluate('document.documentElement.scrollWidth'), 320)
    t.same(await accessibilityProblems(page), [], 'narrow')
    await keepScreenshot(t, page, 'narrow')
    await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
    await page.setViewportSize({ width: 1100, height: 900 })
  })

  await t.test('it is stopped by the keyboard, when it was meant', async (t) => {
    await page.getByRole('heading', { name: 'Your servers' }).focus()
    await tabTo('Stop default')
    await press('Enter')
    const dialog = page.getByRole('dialog', { name: 'Stop default?' })
    await dialog.waitFor()
    t.same(await accessibilityProblems(page), [])
    await keepScreenshot(t, page, 'stop', { fullPage: false })
    await press('Escape')
    await dialog.waitFor({ state: 'hidden' })
    t.equal(await page.locator(':focus').textContent(), 'Stop default', 'the focus is back')
    // Once more, and again before the browser has told the page that the question was closed.
    await page.evaluate(`{
      const [stop, dialog] = [document.activeElement, document.querySelector('dialog')]
      stop.click()
      dialog.close()
      stop.click()
    }`)
    await dialog.waitFor()
    await press('Tab', 'Enter')
    await page.getByText('You have no servers').waitFor()
    t.equal(await page.locator(':focus').textContent(), 'Your servers', 'the focus is not lost')
  })

  t.same(
    complaints,
    ['Failed to load resource: the server responded with a status of 400 (Bad Request)'],
    'nothing but the refusal above',
  )
  await testDocs(t, page, url, await hub.token('alice'))
  await testMessages(t, page, url)
  await testLogout(t, page, hub)
})

/** Such as "3.11". */
async function minorVersion(python: string): Promise<string> {
  const { stdout } = await promisify(execFile)(python, [
    '-c',
    'import sys; print("%d.%d" % sys.version_info[:2])',
  ])
  return stdout.trim()
}

async function testDocs(t: Test, page: Page, url: string, token: string): Promise<void> {
  await t.test('the API as a page to try out, with a token', async (t) => {
    const complaints = watchPage(page, new URL(url).origin)
    await page.goto(url)
    await page.getByRole('link', { name: 'API' }).click()
    const servers = page.locator('.opblock', { hasText: '/api/v1/servers' }).filter({ hasText: 'POST' })
    await servers.waitFor()
    await keepScreenshot(t, page, 'docs')
    await page.locator('.auth-wrapper .authorize').first().click()
    await page.getByLabel('auth-bearer-value').fill(token)
    await page.getByRole('button', { name: 'Apply credentials' }).click()
    await page.getByRole('button', { name: 'Close' }).last().click()
    await servers.locator('.opblock-summary-control').click()
    await servers.locator('textarea').fill('{ "python": "2.7" }')
    await servers.getByRole('button', { name: 'Execute' }).click()
    await servers.locator('.live-responses-table', { hasText: 'python_not_allowed' }).waitFor()
    t.match(complaints, [/status of 400/], 'a request with a body and a token comes back with its answer')
  })
}

async function testMessages(t: Test, page: Page, url: string): Promise<void> {
  await t.test('pages that say one thing: a login that failed, a service without a hub', async (t) => {
    const { url: withoutHub } = await startApp(t)
    for (const [name, address, text] of [
      ['failed-login', `${url}oauth_callback?state=of-nobody`, 'You could not be logged in'],
      ['without-hub', `${withoutHub}/`, 'This service is used with a token'],
    ] as const) {
      await page.goto(address)
      await page.getByRole('heading', { name: text }).waitFor()
      t.same(await accessibilityProblems(page), [])
      await keepScreenshot(t, page, name)
    }
  })
}

async function testLogout(t: Test, page: Page, hub: Hub): Promise<void> {
  const url = `${hub.url}services/rexec/`
  const isOpen = () => page.locator('#user', { hasText: 'alice' }).waitFor()
  await t.test('a reload and the way back lead to the page again, and ask nothing', async () => {
    await page.goto(url)
    await isOpen()
    await page.reload()
    await isOpen()
    await page.goto(`${url}docs`)
    await page.goBack()
    await isOpen()
  })

  await t.test('a login that ends elsewhere is noticed; logging out ends that of the hub too', async (t) => {
    const session = async () => (await page.context().cookies()).find(({ name }) => name === 'rexec-session')
    t.match(await session(), { httpOnly: true, path: '/services/rexec/', sameSite: 'Lax' })
    const other = await page.context().newPage()
    await other.goto(`${hub.url}hub/logout`)
    await other.close()
    await page.getByRole('link', { name: 'Log in again' }).click()
    await logIn(page, 'alice')
    await isOpen()
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.waitForURL('**/hub/log*')
    t.notOk(await session())
    await page.goto(url)
    await page.getByLabel('Username').waitFor()
  })
}
