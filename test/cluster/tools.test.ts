import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { builtTools, type Recipe } from './tools/cache.ts'
import { ciliumRecipe } from './tools/cilium.ts'
import { goVersion, run } from './tools/go.ts'
import { HELM_MAJORS, helmRecipe } from './tools/helm.ts'
import { kubernetesRecipe } from './tools/kubernetes.ts'
import { toolsMissing } from './tools.ts'

/** A recipe that writes what it is given, and counts how often. */
function fakeRecipe(t: Test, text: string) {
  const recipe = {
    name: 'fake',
    inputs: [text],
    builds: 0,
    async build(folder: string) {
      recipe.builds += 1
      t.same(await readdir(folder), [], 'begins in an empty folder')
      await writeFile(join(folder, 'tool'), text)
    },
  }
  return recipe
}

async function emptyCache(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rexec-cache-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

t.test('tools are built once, and again when a version changes', async (t) => {
  const cache = await emptyCache(t)
  const [one, two] = [fakeRecipe(t, '1.0'), fakeRecipe(t, '1.1')]
  const said: string[] = []
  const first = await builtTools(one, (line) => said.push(line), cache)
  t.equal(await builtTools(one, undefined, cache), first)
  t.equal(one.builds, 1)
  t.match(said, [/^building fake into .*fake-[0-9a-f]{16} /, /^built fake in \d+ s$/])
  const second = await builtTools(two, undefined, cache)
  t.not(second, first, 'a folder of its own')
  t.equal(await readFile(join(first, 'tool'), 'utf8'), '1.0', 'the other one stays')
  t.equal(await readFile(join(second, 'tool'), 'utf8'), '1.1')
})

t.test('what was not used for a week goes when another is built', async (t) => {
  const cache = await emptyCache(t)
  const folders = []
  for (const version of ['1.0', '1.1'])
    folders.push(await builtTools(fakeRecipe(t, version), undefined, cache))
  const longAgo = new Date(Date.now() - 8 * 24 * 3600 * 1000)
  for (const folder of folders) await utimes(folder, longAgo, longAgo)
  const [unused, used] = folders
  const unfinished = `${unused}.unfinished-4711`
  await mkdir(unfinished)
  await utimes(unfinished, longAgo, longAgo)
  await builtTools(fakeRecipe(t, '1.1'), undefined, cache)
  await builtTools(fakeRecipe(t, '1.2'), undefined, cache)
  for (const folder of [unused!, unfinished]) await t.rejects(stat(folder), { code: 'ENOENT' })
  t.equal(await readFile(join(used!, 'tool'), 'utf8'), '1.1')
})

t.test('a build that failed is begun anew', async (t) => {
  const cache = await emptyCache(t)
  const recipe = fakeRecipe(t, '1.0')
  const failing: Recipe = {
    ...recipe,
    async build(folder) {
      await writeFile(join(folder, 'half'), '')
      throw new Error('no space left')
    },
  }
  await t.rejects(builtTools(failing, undefined, cache), /no space left/)
  t.same(await readdir(await builtTools(recipe, undefined, cache)), ['tool'])
})

t.test('a build that was killed half-way is begun anew', async (t) => {
  const cache = await emptyCache(t)
  const program = `
    import { writeFile } from 'node:fs/promises'
    import { builtTools } from ${JSON.stringify(join(import.meta.dirname, 'tools/cache.ts'))}
    await builtTools({ name: 'fake', inputs: ['1.0'], async build(folder) {
      await writeFile(folder + '/half', '')
      console.log('half-way')
      await new Promise(() => setInterval(() => {}, 1000))
    } }, undefined, ${JSON.stringify(cache)})`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  const said: string[] = []
  const recipe = fakeRecipe(t, '1.0')
  const waiting = builtTools(
    recipe,
    (line) => {
      said.push(line)
      // Only now that it has been seen to be in the other's hands.
      if (line.startsWith('waiting')) child.kill('SIGKILL')
    },
    cache,
  )
  t.same(await readdir(await waiting), ['tool'])
  t.match(said, [`waiting for process ${child.pid}, which builds fake`, /^building/, /^built/])
  t.equal(recipe.builds, 1)
})

t.test('two that ask at once build once', async (t) => {
  const cache = await emptyCache(t)
  const recipe = fakeRecipe(t, '1.0')
  const folders = await Promise.all([1, 2, 3].map(() => builtTools(recipe, undefined, cache)))
  t.equal(new Set(folders).size, 1)
  t.equal(recipe.builds, 1)
})

t.test(
  'a recipe depends on versions, sums and compiler',
  { skip: (await toolsMissing()) ?? false },
  async (t) => {
    const [kubernetes, cilium, ...helms] = await Promise.all([
      kubernetesRecipe(),
      ciliumRecipe(),
      ...HELM_MAJORS.map(helmRecipe),
    ])
    const version = await goVersion(import.meta.dirname)
    t.match(version, /^go1\.\d+\S* linux \w+$/)
    for (const { inputs } of [kubernetes, cilium, ...helms]) {
      t.ok(inputs.includes(version), 'compiler')
      t.ok(
        inputs.some((input) => /^k8s\.io\/api(machinery)? v\S+ h1:/m.test(input)),
        'go.sum',
      )
    }
    t.match(kubernetes.inputs[0], /k8s\.io\/kubernetes v1\.35\.4/)
    t.match(cilium.inputs[0], /cilium\/cilium v1\.15\.19/)
    t.match(
      helms.map(({ inputs }) => inputs[0]),
      [/helm\.sh\/helm\/v3 v3\.21\.4/, /helm\.sh\/helm\/v4 v4\.3\.1/],
    )
  },
)

t.test('a program that fails is quoted', async (t) => {
  const cwd = join(await emptyCache(t), 'below')
  await mkdir(cwd)
  await t.rejects(run('sh', ['-c', 'echo go: downloading x >&2; echo no such module >&2; exit 3'], { cwd }), {
    message: 'sh -c ended with exit code 3:\nno such module',
  })
  await t.rejects(run('no-such-program', [], { cwd }), { code: 'ENOENT' })
})
