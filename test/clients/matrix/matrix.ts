import t, { type Test } from 'tap'
import { type Client, findClient } from '../../support/clients.ts'
import { type LocalService, startLocalService } from '../../support/local-service.ts'
import { type Notebook, openNotebook } from '../../support/notebook.ts'
import { testEnvironment } from './environment.ts'
import { testErrors } from './errors.ts'
import { testInterrupt } from './interrupt.ts'
import { testLoad } from './load.ts'
import { testStreams } from './streams.ts'
import { testValues } from './values.ts'

/** What every client does in the same way; `own` tests what is peculiar to this one, on the same service. */
export async function testClient(
  client: Client,
  own: (t: Test, alice: Notebook, service: LocalService) => Promise<void>,
): Promise<void> {
  const { python, skip } = await findClient(client)
  await t.test(client.name, { skip }, async (t) => {
    const service = await startLocalService(t)
    const alice = openNotebook(t, python, service.as('alice'), client)
    await t.test('environment', (t) => testEnvironment(t, alice))
    await t.test('values', (t) => testValues(t, alice))
    await t.test('streams', (t) => testStreams(t, alice))
    await t.test('errors', (t) => testErrors(t, alice))
    await t.test('interrupt', (t) => testInterrupt(t, alice))
    await t.test('load', (t) => testLoad(t, alice))
    await own(t, alice, service)
  })
}
