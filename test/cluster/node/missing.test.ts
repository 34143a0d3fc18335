import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'

/** What a process with this environment is told. */
async function told(env: Record<string, string>): Promise<string> {
  const code = `console.log(await (await import('${import.meta.dirname}/missing.ts')).nodeClusterMissing())`
  const run = promisify(execFile)
  const args = ['--input-type=module', '--eval', code]
  const { stdout } = await run(process.execPath, args, { env: { ...process.env, ...env } })
  return stdout
}

t.test('what is missing is told with what brings it', async (t) => {
  const given = { REXEC_TEST_KUBECONFIG: '/somewhere' }
  t.match(await told(given), 'also need REXEC_TEST_HOST_ADDRESS')
  const all = { ...given, REXEC_TEST_HOST_ADDRESS: '192.0.2.1', REXEC_TEST_IMAGES: '{}' }
  t.equal(await told(all), 'undefined\n', 'nothing, of a cluster that is given')
  const skip = process.getuid?.() !== 0 && 'root only'
  t.test('to root', { skip }, async (t) => {
    t.match(await told({ XDG_CACHE_HOME: '/var/lib/x', REXEC_TEST_KUBECONFIG: '' }), 'set XDG_CACHE_HOME')
    t.match(await told({ PATH: '/nowhere', REXEC_TEST_KUBECONFIG: '' }), /apt-get install containerd/)
  })
})
