import { Type } from 'typebox'
import type { App } from '../../app.ts'
import { brokerOf } from '../../broker-address.ts'
import { externalUrl } from '../../external-url.ts'
import { answers } from '../../schemas.ts'
import type { Service } from '../../service.ts'

const BrokerConfig = Type.Object({
  broker_external_host: Type.String(),
  broker_external_port: Type.String({ description: 'Text, as remote_func.set_remote_port wants it.' }),
  broker_external_url: Type.String(),
  api_url: Type.String({ description: 'For remote_func.set_api_url: the whole address of /spawn.' }),
})

export function addBrokerConfig(app: App, { settings }: Service): void {
  const schema = {
    tags: ['rexec'],
    summary: 'Where is the broker?',
    response: answers({ 200: BrokerConfig }),
  }
  app.get('/broker-config', { schema }, (request) => {
    const { host, port } = brokerOf(settings)
    return {
      broker_external_host: host,
      broker_external_port: port,
      broker_external_url: `${host}:${port}`,
      api_url: `${externalUrl(request, settings)}/spawn`,
    }
  })
}
