import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createSigner, generateSigningKey } from '../../../common/tokens.ts'
import { version } from '../../../common/version.ts'
import { temporaryFolder } from '../../support/local-cluster.ts'
import { nodeClusterMissing } from '../node/missing.ts'
import { Container, type ContainerOptions, unpack } from './container.ts'
import { debianImage } from './images.ts'
import { runProgram } from './program.ts'
import { rexecImage } from './rexec.ts'

const root = join(import.meta.dirname, '../../..')
const skip =
  (await nodeClusterMissing()) ??
  (process.env.REXEC_TEST_KUBECONFIG ? 'images are given with the cluster' : false)
const HOME = 'opt/rexec'

t.test('the image of the Dockerfile', { skip }, async (t) => {
  const rexec = await rexecImage(await debianImage(), (line) => t.comment(line))
  const folder = await temporaryFolder(t)
  const [files, settings] = [join(folder, 'files'), join(folder, 'settings')]
  for (const path of [files, settings]) await mkdir(path)
  await unpack(rexec, files)
  const names = (await runProgram('find', [files, '-xdev', '-printf', '%P\n'])).split('\n')
  const modules = names.flatMap(
    (name) => /^opt\/rexec\/(node_modules\/.*)\/package\.json$/.exec(name)?.[1] ?? [],
  )
  const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'))

  const run = (args: string[], more?: Pick<ContainerOptions, 'entrypoint' | 'env'>) =>
    new Container(t, rexec, { root: files, files: settings, args, ...more })
  const runNode = (code: string) =>
    run(['--input-type=module', '--eval', code], { entrypoint: ['node'] }).ended
  const write = (name: string, content: unknown) =>
    writeFile(join(settings, name), typeof content === 'string' ? content : JSON.stringify(content))

  t.test('says how it is run, and what it is', async (t) => {
    const sizes = rexec.layers.map(({ size }) => `${Math.round(size / 1e6)} MB`)
    t.comment(`layers: base ${sizes[0]}, node ${sizes[1]}, packages ${sizes[2]}, sources ${sizes[3]}`)
    const { Labels, ...config } = rexec.config as { Labels: Record<string, string>; Env: string[] }
    t.match(config, {
      User: '65532:65532',
      WorkingDir: '/opt/rexec',
      Entrypoint: ['rexec'],
      StopSignal: 'SIGTERM',
      Healthcheck: { Test: ['CMD', 'rexec', 'healthcheck'] },
    })
    t.same(config.Env.map((line) => line.split('=')[0]).sort(), ['NODE_ENV', 'PATH'])
    t.ok(config.Env.includes('NODE_ENV=production'))
    const prefix = 'org.opencontainers.image.'
    t.match(Labels, {
      [`${prefix}title`]: 'rexec',
      [`${prefix}version`]: version,
      [`${prefix}revision`]: 'checkout',
      [`${prefix}source`]: 'https://example.org/rexec',
      [`${prefix}licenses`]: 'Apache-2.0',
      [`${prefix}created`]: '1970-01-01T00:00:00Z',
      [`${prefix}base.name`]: 'localhost/debian:12',
    })
  })

  t.test('has what runs in production, and nothing else of the checkout', async (t) => {
    const tops = new Set(names.flatMap((name) => /^opt\/rexec\/([^/]+)/.exec(name)?.[1] ?? []))
    const expected = ['LICENSE', 'bin', 'broker', 'common', 'node_modules', 'package.json', 'proxy']
    t.same([...tops].sort(), [...expected, 'sbom.cdx.json', 'server'])
    t.ok(names.includes(`${HOME}/server/worker.py`))
    const command = await readFile(join(files, HOME, 'bin/rexec.ts'), 'utf8')
    t.ok(command.startsWith('#!/usr/local/bin/node\n'), 'the command needs neither shell nor env')
    t.notOk(names.some((name) => /^opt\/rexec\/(?!node_modules).*\.test\.|__pycache__/.test(name)))
  })

  t.test('has no package manager of Node', async (t) => {
    const managers = /(^|\/)(npm|npx|corepack|yarn|yarnpkg|pnpm|pnpx)(\.c?js)?$|(^|\/)\.(npm|npmrc|cache)$/
    t.same(
      names.filter((name) => managers.test(name)),
      [],
    )
    const secrets = ['root/.npmrc', 'run/secrets', 'run/secrets/ca']
    t.same(
      names.filter((name) => secrets.includes(name)),
      [],
      'nor what it fetched packages with',
    )
  })

  t.test('has the production packages of the lock, and no others', async (t) => {
    const locked = Object.entries<{ dev?: boolean; version: string }>(lock.packages)
    const production = new Set(locked.flatMap(([path, { dev }]) => (dev ? [] : [path])))
    // A package may hold package.json files that are not packages.
    const installed = modules.filter((path) => /(^|\/)node_modules\/(@[^/]+\/)?[^/]+$/.test(path))
    t.same(
      installed.filter((path) => !production.has(path)),
      [],
    )
    for (const name of Object.keys(lock.packages[''].dependencies))
      t.ok(installed.includes(`node_modules/${name}`), name)

    const bom = JSON.parse(await readFile(join(files, HOME, 'sbom.cdx.json'), 'utf8'))
    t.match(bom, { bomFormat: 'CycloneDX', metadata: { component: { name: 'rexec', version } } })
    const listed = new Set(bom.components.map(({ purl }: { purl: string }) => decodeURIComponent(purl)))
    const unlisted = installed.filter((path) => {
      const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
      return !listed.has(`pkg:npm/${name}@${lock.packages[path].version}`)
    })
    t.same(unlisted, [], 'each is in the list of components with its version')
    t.ok([...listed].some((purl) => `${purl}`.startsWith('pkg:npm/zeromq@')))
    t.notOk([...listed].some((purl) => /^pkg:npm\/(tap|typescript)@/.test(`${purl}`)))
  })

  t.test('belongs to root, can be written by nobody else, and gives no rights', async (t) => {
    for (const { path } of rexec.layers.slice(1)) {
      const lines = await runProgram('tar', ['--list', '--verbose', '--numeric-owner', `--file=${path}`])
      const entries = lines.trim().split('\n')
      t.same(
        entries.filter((line) => !/^.\S{9} 0\/0 /.test(line)),
        [],
      )
      t.same(
        entries.filter(
          (line) => !line.startsWith('l') && !/^.(?!..[sS])....-(?![sS])..-.(?![tT])/.test(line),
        ),
        [],
      )
      t.same(
        entries.filter((line) => / opt\/rexec\/./.test(line) && /^[^l].w/.test(line)),
        [],
        'read-only',
      )
    }
  })

  t.test('runs as the first process of a container with a read-only root', async (t) => {
    t.same(await run(['--version']).ended, { code: 0, output: `${version}\n` })
    const { code, output } = await runNode(`
      import { writeFileSync } from 'node:fs'
      import 'zeromq'
      const tried = ['/opt/rexec/x', '/opt/rexec/bin/rexec.ts', '/etc/x', '/x'].map((path) => {
        try { writeFileSync(path, ''); return path } catch ({ code }) { return code }
      })
      console.log(process.pid, process.getuid(), process.getgid(), process.getgroups().length, process.cwd(), ...tried)
    `)
    t.match({ code, output }, { code: 0, output: /^1 65532 65532 \d \/opt\/rexec( (EROFS|EACCES)){4}\n$/ })
  })

  t.test('is not healthy where nothing listens', async (t) => {
    t.match(await run(['healthcheck']).ended, { code: 1, output: /^rexec: Not healthy: .*10101.*9559/ })
  })

  const key = await generateSigningKey()
  await write('signing-key', key)
  await write('public-keys', (await createSigner(key)).publicKeys)
  await write('credential', 'c'.repeat(43))

  t.test('proxy: healthy, and ends in order', async (t) => {
    await write('proxy.yaml', {
      shutdownDelaySeconds: 0,
      identity: { authenticators: ['static'], static: { users: [{ name: 'alice', token: 't'.repeat(32) }] } },
      broker: {
        clientAddress: 'tcp://127.0.0.1:5559',
        serverAddresses: ['tcp://127.0.0.1:5560'],
        credential: 'c'.repeat(43),
      },
      cluster: { kind: 'local', stateFolder: '/tmp/state' },
    })
    const env = { REXEC_SIGNING_KEY_FILE: '/mnt/signing-key' }
    const proxy = run(['proxy', '--settings', '/mnt/proxy.yaml'], { env })
    await proxy.said('"listening"')
    t.match(await proxy.run(['rexec', 'healthcheck']), { code: 0, output: /10101.* answers/ })
    await proxy.signal('SIGTERM')
    t.match(await proxy.ended, { code: 0, output: /"closed"/ })
  })

  t.test('broker: healthy, and ends in order', async (t) => {
    await write('broker.yaml', {
      proxy: { url: 'http://127.0.0.1:10101/services/rexec', credentialFile: '/mnt/credential' },
      publicKeysFile: '/mnt/public-keys',
    })
    const broker = run(['broker', '--settings', '/mnt/broker.yaml'])
    await broker.said('"broker listens"')
    t.match(await broker.run(['rexec', 'healthcheck']), { code: 0, output: /9559.* answers/ })
    await broker.signal('SIGTERM')
    t.match(await broker.ended, { code: 0, output: /"broker stops"/ })
  })

  t.test('broker: healthy and told to end while it waits for the keys of a proxy', async (t) => {
    const proxy = { url: 'http://127.0.0.1:10101/services/rexec', credentialFile: '/mnt/credential' }
    await write('waiting.yaml', { proxy })
    const broker = run(['broker', '--settings', '/mnt/waiting.yaml'])
    await broker.said('"broker starts"')
    t.match(await broker.run(['rexec', 'healthcheck']), { code: 0, output: /9559.* answers/ })
    await broker.signal('SIGTERM')
    t.match(await broker.ended, { code: 0 })
  })

  t.test('agent: ends in order', async (t) => {
    await write('agent.json', {
      name: 'default',
      brokers: ['tcp://127.0.0.1:5560'],
      credentialFile: '/mnt/credential',
      socket: '/tmp/agent.sock',
      environmentsFolder: '/tmp/environments',
      environmentDigest: '0'.repeat(64),
      python: '3.11',
      sidecar: true,
    })
    const agent = run(['agent', '--settings', '/mnt/agent.json'])
    await agent.said('"event":"state"')
    await agent.signal('SIGTERM')
    t.match(await agent.ended, { code: 0, output: /It was told to stop/ })
  })
})
