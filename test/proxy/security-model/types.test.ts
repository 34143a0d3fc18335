import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '../../..')

/** Ways around the security model, each with the compiler's reason for refusing it. */
const DETOURS: Record<string, { code: string; error: string }> = {
  'write an approved server down': {
    code: `export const server: ApprovedServer = {
      user: 'alice', name: 'a', profile: 'default', python: '3.12', interpreter: 'python3', requirements: [], env: {},
      pod: approved.pod,
      resources: { cpu: 1, memory: 1, gpu: 0 }, replicas: 1, lifetimeSeconds: 1, idleSeconds: 1, concurrency: 1,
      environmentDigest: '', digest: '' }`,
    error: 'TS2322',
  },
  'write the proof down as well': {
    code: `export const server: ApprovedServer = { ...fields, approved: true }`,
    error: 'TS2322',
  },
  'spread a request': {
    code: 'export const server: ApprovedServer = { ...fields, ...request, requirements: request.requirements ?? [] }',
    error: 'TS2322',
  },
  'copy an approved server with changes': {
    code: `export const server: ApprovedServer = { ...approved, requirements: ['x @ https://evil.example/x.whl'] }`,
    error: 'TS2322',
  },
  'clone an approved server by its fields': {
    code: 'export const server: ApprovedServer = Object.assign({}, fields)',
    error: 'TS2322',
  },
  'change an approved server': {
    code: `approved.user = 'bob'`,
    error: 'TS2540',
  },
  'add to its requirements': {
    code: `approved.requirements.push('evil')`,
    error: 'TS2339',
  },
  'add to its env': {
    code: `approved.env.LD_PRELOAD = 'evil.so'`,
    error: 'TS2542',
  },
  'raise its resources': {
    code: 'approved.resources.cpu = 64',
    error: 'TS2540',
  },
  'mount another volume': {
    code: `approved.pod.volumes = [{ claim: 'bobs', mountPath: '/mnt', readOnly: false }]`,
    error: 'TS2540',
  },
  'start a request': {
    code: 'export const started = cluster.start(namespace, request, { credential: "" })',
    error: 'TS2345',
  },
  'start the fields of an approved server': {
    code: 'export const started = cluster.start(namespace, fields, { credential: "" })',
    error: 'TS2345',
  },
  'make the proof': {
    code: `import { Approval } from 'PROXY/security-model/approve.ts'\nexport const proof = new Approval()`,
    error: 'TS2459',
  },
  'use the type as a value': {
    code: 'export const server = new ApprovedServer()',
    error: 'TS2693',
  },
  'extend the type': {
    code: 'export class Mine implements ApprovedServer { protected readonly approved = true }',
    error: 'TS2420',
  },
}

const STRAIGHT = `
  const settings = checkSettings(SecurityModelSettings, {})
  const server = createSecurityModel(settings).approve(createAuthorize(settings)(user), request)
  export const started = cluster.start(namespace, server, { credential: '' })`

const HEAD = `
  import { checkSettings } from 'PROXY/../common/settings.ts'
  import { createAuthorize } from 'PROXY/authorize.ts'
  import type { Cluster } from 'PROXY/cluster/cluster.ts'
  import type { Namespace, ServerRequest, User } from 'PROXY/pipeline.ts'
  import { type ApprovedServer, createSecurityModel } from 'PROXY/security-model/approve.ts'
  import { SecurityModelSettings } from 'PROXY/security-model/settings.ts'
  declare const cluster: Cluster, namespace: Namespace, request: ServerRequest, user: User
  declare const approved: ApprovedServer
  const fields = { ...approved }
`

t.test('what has not been approved does not compile', async (t) => {
  const folder = t.testdir()
  const write = (file: string, code: string) =>
    writeFileSync(
      join(folder, file),
      (HEAD + code).replaceAll('PROXY', relative(folder, join(root, 'proxy'))),
    )
  write('straight.ts', STRAIGHT)
  Object.values(DETOURS).forEach(({ code }, index) => {
    write(`detour-${index}.ts`, code)
  })
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      extends: relative(folder, join(root, 'tsconfig.json')),
      compilerOptions: { noUnusedLocals: false },
      include: ['*.ts'],
    }),
  )
  // Not .bin/tsc: tap's hooks into child processes need a name that ends in .js.
  const compiler = join(root, 'node_modules/typescript/lib/tsc.js')
  const { stdout, stderr } = spawnSync(process.execPath, [compiler, '--pretty', 'false', '-p', folder], {
    encoding: 'utf8',
  })
  t.equal(stderr, '', 'the compiler ran')
  const errorsOf = (file: string) => stdout.split('\n').filter((line) => line.includes(`${file}(`))

  t.same(errorsOf('straight.ts'), [], 'the way through the security model compiles')
  Object.entries(DETOURS).forEach(([tries, { error }], index) => {
    const errors = errorsOf(`detour-${index}.ts`)
    t.equal(errors.length, 1, `to ${tries}: one error`, { errors })
    t.match(errors[0], `error ${error}:`, `to ${tries} is refused`)
  })
})
