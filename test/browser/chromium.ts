import { access, constants, mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import type { Test } from 'tap'
import { temporaryFolder } from '../support/local-cluster.ts'

const ARGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
  ...['--disable-background-networking', '--disable-component-update'],
]
const { source: axe } = createRequire(import.meta.url)('axe-core') as { source: string }

/** Debian calls it chromium, others chromium-browser. */
async function findChromium(): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of ['chromium', 'chromium-browser']) {
      const file = join(folder, name)
      if (
        await access(file, constants.X_OK).then(
          () => true,
          () => false,
        )
      )
        return file
    }
  }
}

/** Why there is no browser here; undefined if there is. */
export async function chromiumMissing(): Promise<string | undefined> {
  return (await findChromium()) ? undefined : 'Chromium is missing (Debian: apt install chromium)'
}

/** A real browser without a window; ended after the test. */
export async function startChromium(t: Test): Promise<Browser> {
  const folder = await temporaryFolder(t)
  const browser = await chromium.launch({
    executablePath: (await findChromium())!,
    args: ARGS,
    // Else it makes folders at home, beside its profile.
    env: { ...process.env, XDG_CONFIG_HOME: folder, XDG_CACHE_HOME: folder },
  })
  t.teardown(() => browser.close())
  return browser
}

/** What a page complains about: errors of scripts, what its policy has stopped, requests to elsewhere. */
export function watchPage(page: Page, origin: string): string[] {
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('request', (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith('data:'))
      complaints.push(request.url())
  })
  return complaints
}

/** What is wrong with the page as it is now, by WCAG 2.2 AA and good practice: rule and element. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  await page.evaluate(axe)
  const violations = await page.evaluate<
    { id: string; nodes: { target: string[]; failureSummary: string }[] }[]
  >('axe.run().then(({ violations }) => violations)')
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')}: ${failureSummary}`),
  )
}

/** Keeps a picture of the whole page in REXEC_TEST_ARTEFACTS, or .tap/screenshots. */
export async function keepScreenshot(
  t: Test,
  page: Page,
  name: string,
  { fullPage = true } = {},
): Promise<void> {
  const folder = process.env.REXEC_TEST_ARTEFACTS ?? join(import.meta.dirname, '../../.tap/screenshots')
  await mkdir(folder, { recursive: true })
  const path = join(folder, `${name}.png`)
  await page.screenshot({ path, fullPage })
  t.comment(`screenshot: ${path}`)
}

/** What a person does on the hub's login page. */
export async function logIn(page: Page, user: string): Promise<void> {
  await page.getByLabel('Username').fill(user)
  await page.getByLabel('Password').fill('any')
  await page.getByRole('button', { name: 'Sign in' }).click()
}
