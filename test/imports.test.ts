import { glob, readFile } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { join, posix } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '..')

/** What each part may import of the others (beside itself). */
const PARTS: Record<string, string[]> = {
  common: [],
  proxy: ['common'],
  broker: ['common'],
  server: ['common'],
  bin: ['common', 'proxy', 'broker', 'server'],
}

/** Each outside package has one door: the files (or folders) that may import it. */
const DOORS: Record<string, string[]> = {
  '@fastify/cookie': ['proxy/app.ts', 'proxy/plugins/', 'proxy/routes/'],
  '@fastify/formbody': ['proxy/app.ts', 'proxy/plugins/', 'proxy/routes/'],
  '@fastify/swagger': ['proxy/app.ts', 'proxy/plugins/', 'proxy/routes/'],
  '@fastify/swagger-ui': ['proxy/app.ts', 'proxy/plugins/', 'proxy/routes/'],
  '@fastify/type-provider-typebox': ['proxy/app.ts', 'proxy/plugins/', 'proxy/routes/'],
  '@kubernetes/client-node': ['proxy/cluster/'],
  ajv: ['common/settings.ts'],
  fastify: ['proxy/app.ts', 'proxy/external-url.ts', 'proxy/plugins/', 'proxy/routes/', 'proxy/session/'],
  got: ['common/ask.ts'],
  jose: ['common/keys.ts', 'common/seal.ts', 'common/tokens.ts'],
  pino: ['common/logger.ts'],
  'prom-client': ['common/metrics.ts'],
  typebox: ['common/', 'proxy/', 'broker/', 'server/', 'bin/'],
  undici: ['proxy/cluster/kubernetes/connection.ts'],
  yaml: ['common/settings.ts'],
  zeromq: ['server/'],
}

/** Where the process may be asked for its environment or ended. */
const MAINS = /^(bin\/.*|[a-z]+\/main\.ts)$/

interface Source {
  file: string
  text: string
  imports: string[]
}

const COMMENT_OR_STRING =
  /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g
const IMPORTS = [
  /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm,
  /^\s*import\s*['"]([^'"]+)['"]/gm,
  /\b(?:import|require)\s*\(\s*['"`]([^'"`]+)['"`]\s*\)/g,
]
/** Ways to load code that this test could not see through. */
const HIDDEN = /\bimport\s*\(\s*[^'"`\s]|\bcreateRequire\b|\brequire\s*\(\s*[^'"`\s]/

/** The text without its comments; strings stay. */
function withoutComments(text: string): string {
  return text.replace(COMMENT_OR_STRING, (found) => (found.startsWith('/') ? '' : found))
}

function importsOf(text: string): string[] {
  return IMPORTS.flatMap((pattern) => [...text.matchAll(pattern)].map(([, name]) => name!))
}

async function sources(): Promise<Source[]> {
  const all: Source[] = []
  for await (const file of glob(`{${Object.keys(PARTS)}}/**/*.ts`, { cwd: root })) {
    const text = withoutComments(await readFile(join(root, file), 'utf8'))
    all.push({ file, text, imports: importsOf(text) })
  }
  return all
}

/** "@scope/name/deep" -> "@scope/name". */
function packageOf(name: string): string {
  return name.split('/', name.startsWith('@') ? 2 : 1).join('/')
}

const isBuiltin = (name: string) => name.startsWith('node:') || builtinModules.includes(name)
const all = await sources()

t.test('the imports are read right', async (t) => {
  const code = `
    import got from 'got' // from 'comment'
    import {
      a,
      type B,
    } from "./b.ts"
    import type { C } from '../c.ts'
    export * from './d.ts'
    export { e } from './e.ts'
    import './f.ts'
    const g = await import('./g.ts')
    const url = 'tcp://x' // import h from './h.ts'
    /* import i from './i.ts' */`
  t.same(importsOf(withoutComments(code)).sort(), [
    '../c.ts',
    './b.ts',
    './d.ts',
    './e.ts',
    './f.ts',
    './g.ts',
    'got',
  ])
  t.ok(all.length > 50 && all.every(({ text }) => text.length > 0), 'the sources were found')
})

t.test('proxy, broker and server never import one another, and common imports none of them', async (t) => {
  const wrong = all.flatMap(({ file, imports }) => {
    const part = file.split('/')[0]!
    return imports
      .filter((name) => name.startsWith('.'))
      .map((name) => posix.join(posix.dirname(file), name))
      .filter(
        (target) => ![part, ...PARTS[part]!].includes(target.split('/')[0]!) && target !== 'package.json',
      )
      .map((target) => `${file}: ${target}`)
  })
  t.same(wrong, [])
})

t.test('every outside package is imported by its one door', async (t) => {
  const wrong = all.flatMap(({ file, imports }) =>
    imports
      .filter((name) => !name.startsWith('.') && !isBuiltin(name))
      .filter((name) => !DOORS[packageOf(name)]?.some((door) => file.startsWith(door)))
      .map((name) => `${file}: ${name}`),
  )
  t.same(wrong, [])
})

t.test('every dependency has a door', async (t) => {
  const { dependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  t.same(
    Object.keys(dependencies).filter((name) => !DOORS[name]),
    [],
  )
})

t.test('only mains look into the environment or end the process', async (t) => {
  const wrong = all
    .filter(({ file }) => !MAINS.test(file))
    .filter(
      ({ text, imports }) =>
        /\bprocess\s*\.\s*(env|exit)\b/.test(text) || imports.some((name) => /^(node:)?process$/.test(name)),
    )
  t.same(
    wrong.map(({ file }) => file),
    [],
  )
})

t.test('nothing is loaded in a way that this test does not see', async (t) => {
  const wrong = all.filter(({ text }) => HIDDEN.test(text))
  t.same(
    wrong.map(({ file }) => file),
    [],
  )
})
