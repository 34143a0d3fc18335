import { createServer } from 'node:http'
import { connect } from 'node:net'

/**
 * Stands in for jupyterhub-singleuser: answers every request with 200, tells the test (at the port of the first argument)
 * with which environment it was started, and ends with it.
 */
const test = connect(Number(process.argv[2]), '127.0.0.1')
const { hostname, port } = new URL(process.env.JUPYTERHUB_SERVICE_URL!)
createServer((_request, response) => response.end('ok')).listen(Number(port), hostname, () => {
  test.write(`${JSON.stringify(process.env)}\n`)
})
test.resume().on('close', () => process.exit())
