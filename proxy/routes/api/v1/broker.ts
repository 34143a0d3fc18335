import type { App } from '../../../app.ts'
import { brokerOf } from '../../../broker-address.ts'
import { answers, BrokerBody } from '../../../schemas.ts'
import type { Service } from '../../../service.ts'

export function addBroker(app: App, { settings }: Service): void {
  const schema = { tags: ['you'], summary: 'Where is the broker?', response: answers({ 200: BrokerBody }) }
  app.get('/broker', { schema }, () => brokerOf(settings))
}
