import type { FastifyInstance } from 'fastify'
import { RexecError } from '../../common/errors.ts'

/**
 * Refuses what something between the client and here may have read otherwise: more than one Host (RFC 9112,
 * section 3.2), and bodies in a coding, which are not unpacked here.
 */
export function refuseAmbiguous(app: FastifyInstance): void {
  app.addHook('onRequest', async ({ raw, headers }) => {
    if ((raw.headersDistinct.host?.length ?? 0) > 1) {
      throw new RexecError('request_malformed', 'There is more than one Host header.')
    }
    const coding = headers['content-encoding']
    if (coding !== undefined && coding !== 'identity') {
      throw new RexecError('media_type_unsupported', 'Send the body without a Content-Encoding.')
    }
  })
}
