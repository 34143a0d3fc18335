import t from 'tap'
import { RexecError } from '../../common/errors.ts'
import { createSeal } from '../../common/seal.ts'
import { LOGIN, sealSession } from '../support/session.ts'
import { ALICE, startApp } from '../support/test-app.ts'
import { accessibilityProblems, chromiumMissing, keepScreenshot, startChromium } from './chromium.ts'

const skip = (await chromiumMissing()) ?? false

t.test('the page with servers in every state', { skip }, async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const browser = await startChromium(t)
  const context = await browser.newContext({ viewport: { width: 1100, height: 900 } })
  context.setDefaultTimeout(120_000)
  const value = await sealSession(app.signer, ALICE, 3600)
  await context.addCookies([
    { name: 'rexec-session', value, domain: '127.0.0.1', path: '/services/rexec/', httpOnly: true },
  ])
  for (const name of ['default', 'gpu', 'old', 'big', 'wait']) {
    const json = { name, python: '3.12', requirements: ['numpy>=2'] }
    t.equal((await app.fetch('/api/v1/servers', { method: 'POST', json })).status, 201)
  }
  const hostile = '<img src=x onerror="document.title=1"> numpyy>=2 does not exist.'
  app.cluster.set('alice', 'default', 'ready')
  app.cluster.set('alice', 'gpu', 'installing', 'Installing numpy and 14 more')
  app.cluster.set('alice', 'old', 'stopped', 'It had no call for 60 minutes.')
  app.cluster.set('alice', 'wait', 'pending', 'No node has room for it yet: 3 of 3 lack memory.')
  app.cluster.set('alice', 'big', 'failed', hostile)
  const page = await context.newPage()
  await page.goto(`${app.url}/`)
  const card = (name: string) => page.getByRole('listitem').filter({ has: page.locator(`#server-${name}`) })
  await card('wait').waitFor()

  await t.test('each says its state and the reason, and neither is markup', async (t) => {
    t.same(await page.getByRole('heading', { level: 3 }).allTextContents(), [
      'big',
      'default',
      'gpu',
      'old',
      'wait',
    ])
    t.match(await card('big').innerText(), `Failed\n\n${hostile}`)
    t.match(await card('wait').innerText(), /Waiting\s+No node has room/)
    t.match(await card('old').innerText(), /Stopped(?!.*Ends by).*Remove/s)
    t.equal(await page.title(), 'Your servers · rexec')
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      t.same(await accessibilityProblems(page), [], colorScheme)
      await keepScreenshot(t, page, `states-${colorScheme}`)
    }
  })

  await t.test('a change is told, and leaves the focus where it is', async (t) => {
    await page.getByRole('button', { name: 'Stop gpu' }).focus()
    app.cluster.set('alice', 'gpu', 'ready')
    await page.locator('#news', { hasText: 'gpu: Ready.' }).waitFor({ state: 'attached' })
    t.equal(await page.locator(':focus').textContent(), 'Stop gpu')
  })

  await t.test('a Python version must be chosen', async (t) => {
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    await page.getByText('Choose the Python version of your notebook.').waitFor()
    t.equal(await page.locator(':focus').getAttribute('id'), 'python')
  })

  await t.test('another server of the same name is replaced when that was meant', async (t) => {
    await page.getByLabel('Python').selectOption('3.11')
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    await page.getByRole('dialog', { name: 'Replace your server?' }).waitFor()
    await page.getByRole('button', { name: 'Cancel' }).click()
    t.notOk(app.cluster.calls.includes('stop alice/default'))
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    await page.getByRole('button', { name: 'Replace' }).click()
    await card('default').filter({ hasText: 'Python3.11' }).waitFor()
    t.ok(app.cluster.calls.includes('stop alice/default'))
    t.equal(await card('default').count(), 1)
  })

  await t.test('amounts are in units for people', async (t) => {
    await page.getByLabel('Name').fill('old')
    await page.getByText('Size and time').click()
    await page.getByLabel('Memory in GiB').fill('1.5')
    await page.getByLabel('Hours until it ends').fill('0.5')
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    await card('old').filter({ hasText: '1 core, 1.5 GiB' }).waitFor()
    const { resources, createdAt, expiresAt } = app.cluster.servers.get('alice/old')!
    t.equal(resources.memory, 1.5 * 2 ** 30)
    t.equal(Math.round((Date.parse(expiresAt) - Date.parse(createdAt)) / 1000), 1800)
  })

  await t.test('what goes wrong for a while is said for as long', async (t) => {
    app.cluster.failure = new RexecError('cluster_unavailable')
    await page.getByText('The cluster does not answer').waitFor()
    t.equal(await card('wait').count(), 1, 'what was known stays')
    app.cluster.failure = undefined
    await page.getByText('The cluster does not answer').waitFor({ state: 'hidden' })
  })

  await t.test('a session that is over', async (t) => {
    const over = await createSeal(app.signer.deriveKey('page'), 'page').close({ token: ALICE }, -1)
    await page.route('**/api/**', (route, request) =>
      route.continue({ headers: { ...request.headers(), authorization: `Session ${over}` } }),
    )
    await page.getByText('Your session is over').waitFor()
    t.same(await accessibilityProblems(page), [])
    t.equal(await page.getByRole('link', { name: 'Log in again' }).getAttribute('href'), 'login')
    await keepScreenshot(t, page, 'session-over')
  })
})
