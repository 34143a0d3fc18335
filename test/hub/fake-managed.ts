import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'

/** A service that a hub starts: writes its environment to the file of the first argument, and answers. */
writeFileSync(process.argv[2]!, JSON.stringify(process.env))
const { hostname, port } = new URL(process.env.JUPYTERHUB_SERVICE_URL!)
createServer((_request, response) => response.end()).listen(Number(port), hostname)
