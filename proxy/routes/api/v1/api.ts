import type { App } from '../../../app.ts'
import { requireUser } from '../../../plugins/authenticate.ts'
import { requireBroker } from '../../../plugins/broker-credential.ts'
import type { Service } from '../../../service.ts'
import { addBroker } from './broker.ts'
import { addProfiles } from './profiles.ts'
import { addServerReviews } from './server-reviews.ts'
import { addServerStreams } from './server-streams.ts'
import { addServers } from './servers.ts'
import { addTokenReviews } from './token-reviews.ts'
import { addTokens } from './tokens.ts'
import { addUser } from './user.ts'

/** The API of rexec. Users prove who they are in one scope, brokers in another. */
export function addApi(app: App, service: Service): void {
  app.register(async (app: App) => {
    requireUser(app, service)
    addUser(app)
    addProfiles(app)
    addBroker(app, service)
    addServers(app, service)
    addServerStreams(app, service)
    addTokens(app, service)
  })
  app.register(async (app: App) => {
    requireBroker(app, service)
    addTokenReviews(app, service)
    addServerReviews(app, service)
  })
}
