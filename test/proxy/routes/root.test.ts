import t from 'tap'
import { version } from '../../../common/version.ts'
import { bodyOf, startApp } from '../../support/test-app.ts'

t.test('the index needs no token and leads to what there is', async (t) => {
  const { fetch } = await startApp(t)
  for (const path of ['', '/']) {
    const answer = await fetch(path, { token: null })
    t.equal(answer.status, 200)
    t.match(await answer.json(), { service: 'rexec', version })
  }
  const { links } = await bodyOf<{ links: Record<string, string> }>(fetch(''))
  for (const [name, link] of Object.entries(links)) {
    if (name !== 'api') t.equal((await fetch(`/${link}`)).status, 200, link)
  }
})
