import type { V1Pod } from '@kubernetes/client-node'
import t, { type Test } from 'tap'
import { ApiError } from '../../../../proxy/cluster/kubernetes/api-error.ts'
import { Informer, type InformerOptions } from '../../../../proxy/cluster/kubernetes/informer.ts'
import { keptLog } from '../../../support/log.ts'

const pod = (name: string, version: number, uid = name): V1Pod => ({
  metadata: { name, namespace: 'a', uid, resourceVersion: `${version}` },
})

type Script = { type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; object: V1Pod }[] | Error
type Page = { version: number; items: V1Pod[]; more?: string } | Error | (() => Error)

/** An informer of an API server that follows a script: what a real one can hardly be brought to say. */
function scripted(
  t: Test,
  pages: Page[],
  watches: Script[],
  options: Partial<InformerOptions<V1Pod, V1Pod>> = {},
) {
  const log = keptLog()
  const asked: string[] = []
  const over = Promise.withResolvers<void>()
  const informer = new Informer<V1Pod, V1Pod>({
    resource: 'pods',
    path: '/api/v1/pods',
    keep: (object) => object,
    onChange: () => undefined,
    onHealth: () => undefined,
    logger: log.logger,
    firstPause: 1,
    async list({ _continue }) {
      asked.push(`list ${_continue ?? ''}`)
      const page = pages.shift()
      if (!page) throw new Error('the script has no more pages')
      if (page instanceof Error || typeof page === 'function') throw page instanceof Error ? page : page()
      return { metadata: { resourceVersion: `${page.version}`, _continue: page.more }, items: page.items }
    },
    api: {
      async *watch(_path, query, signal, onOpen) {
        asked.push(`watch ${query.resourceVersion}`)
        const script = watches.shift()
        if (script instanceof Error) throw script
        onOpen?.()
        // biome-ignore lint/suspicious/noExplicitAny: the type of the objects is the caller's
        yield* (script ?? []) as any
        if (script) return
        over.resolve()
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      },
    },
    ...options,
  })
  t.teardown(() => informer.close())
  const names = () =>
    [...informer.all()].map(({ metadata }) => `${metadata!.name} ${metadata!.resourceVersion}`).sort()
  return { informer, asked, names, log, over: over.promise }
}

t.test('pages are put together; a watch goes on where the last one ended', async (t) => {
  const { informer, asked, names, over } = scripted(
    t,
    [
      { version: 10, items: [pod('a', 3)], more: 'next' },
      { version: 10, items: [pod('b', 4)] },
    ],
    [
      [{ type: 'MODIFIED', object: pod('a', 11) }],
      [{ type: 'BOOKMARK', object: pod('', 25) }],
      [{ type: 'DELETED', object: pod('b', 26) }],
    ],
  )
  await informer.ready
  await over
  t.same(asked, ['list ', 'list next', 'watch 10', 'watch 11', 'watch 25', 'watch 26'])
  t.same(names(), ['a 11'])
  t.equal(informer.deafSince, undefined)
})

t.test('what is known is forgotten only when a whole new list lacks it', async (t) => {
  const gone = new ApiError(410, { message: 'too old resource version: 10 (50)' })
  const { informer, asked, names, log, over } = scripted(
    t,
    [
      { version: 10, items: [pod('a', 3), pod('b', 4), pod('c', 5)] },
      { version: 50, items: [pod('a', 3)], more: 'next' },
      () => {
        informer.put(pod('new', 61))
        t.same(names(), ['a 3', 'b 4', 'c 5', 'new 61'], 'while the list is incomplete')
        return new ApiError(410, { message: 'the provided continue parameter is too old' })
      },
      { version: 60, items: [pod('a', 55)] },
    ],
    [gone],
  )
  await over
  t.same(asked, ['list ', 'watch 10', 'list ', 'list next', 'list ', 'watch 60'])
  t.same(names(), ['a 55', 'new 61'], 'what was made after the list is kept')
  informer.put(pod('b', 59))
  t.same(names(), ['a 55', 'new 61'], 'what is gone does not come back')
  t.notOk(
    log.lines.some(({ level }) => level === 'warn'),
    'and all this is ordinary',
  )
})

t.test('a label that is taken away and put back', async (t) => {
  const { names, over } = scripted(
    t,
    [{ version: 10, items: [pod('a', 3)] }],
    [
      [
        { type: 'DELETED', object: pod('a', 11) },
        { type: 'ADDED', object: pod('a', 12) },
      ],
    ],
  )
  await over
  t.same(names(), ['a 12'])
})

t.test('a late word about an older object of the same name changes nothing', async (t) => {
  const { informer, names, over } = scripted(
    t,
    [{ version: 10, items: [pod('a', 9, 'second')] }],
    [[{ type: 'DELETED', object: pod('a', 8, 'first') }]],
  )
  await over
  informer.put(pod('a', 7, 'first'))
  t.same(names(), ['a 9'])
  t.equal(informer.get('a', 'a')?.metadata?.uid, 'second')
})

t.test('after five failures in a row everything is read anew', async (t) => {
  const failures = Array.from(
    { length: 6 },
    () => new ApiError(504, { message: 'Too large resource version' }),
  )
  const { informer, asked, log, over } = scripted(
    t,
    [
      { version: 99, items: [] },
      { version: 10, items: [] },
    ],
    [[], ...failures],
  )
  await informer.ready
  await over
  t.same(asked.slice(-2), ['list ', 'watch 10'])
  const told = log.lines.filter(({ level }) => level === 'warn' || level === 'info').map(({ msg }) => msg)
  t.same(told, ['watching pods', 'pods cannot be watched; trying again until they can', 'watching pods'])
})

t.test('whoever can write any number of objects in a namespace does not fill the memory', async (t) => {
  const { informer, names, over } = scripted(t, [{ version: 10, items: [] }], [], { maxPerNamespace: 3 })
  await over
  for (let version = 11; version < 1000; version += 1) informer.put(pod(`p${version}`, version))
  t.same(names(), ['p997 997', 'p998 998', 'p999 999'])
})
