import { Type } from 'typebox'
import { version } from '../../../common/version.ts'
import type { App } from '../../app.ts'
import { externalUrl } from '../../external-url.ts'
import { answers } from '../../schemas.ts'
import type { Service } from '../../service.ts'

/** The version of the NDP EP API that these routes follow: ndp-ep 0.9.0 asks for this one or a later one. */
const NDP_EP_API = '0.2.0'

const Version = Type.Object({ api_version: Type.String(), rexec_version: Type.String() })
const Deployment = Type.Object({ deployment_api_url: Type.String() })
const tags = ['rexec']

/** What ndp-ep asks before it knows where the Rexec API is. Neither says anything that the caller does not know. */
export function addStatus(app: App, { settings }: Service): void {
  for (const url of ['/status', '/status/']) {
    const hide = url === '/status'
    const schema = {
      tags,
      hide,
      summary: 'Which version is it?',
      security: [],
      response: answers({ 200: Version }),
    }
    app.get(url, { schema }, () => ({ api_version: NDP_EP_API, rexec_version: version }))
  }
  const schema = { tags, summary: 'Where is the API?', security: [], response: answers({ 200: Deployment }) }
  app.get('/status/rexec', { schema }, (request) => ({ deployment_api_url: externalUrl(request, settings) }))
}
