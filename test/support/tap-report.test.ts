import { Readable } from 'node:stream'
import t from 'tap'
import { reportTap } from './tap-report.ts'

/** As tap writes it: a file that fails in one test, skips one and has an empty one; a file that tap gave up on. */
const TAP = `TAP version 14
# Subtest: test/one.test.ts
    # Subtest: adds
        ok 1 - two
        not ok 2 - three
          ---
          diff: |
            -3
            +4
          ...
        1..2
    not ok 1 - adds # time=3ms
    ok 2 - clusters # SKIP no cluster here
    # Subtest: empty
        1..0
    ok 3 - empty # time=1ms
    1..3
not ok 1 - test/one.test.ts # time=1234.5ms
# Subtest: test/two.test.ts
    ok 1 - fine
    1..1
not ok 2 - test/two.test.ts # time=20ms
  ---
  exitCode: 7
  ...
some text between
# ERROR: incomplete lines coverage (12%)
1..2
`

t.test('a report counts what tap counts and shows the whole of each failure', async (t) => {
  const lines: string[] = []
  const counts = await reportTap(Readable.from([TAP.slice(0, 100), TAP.slice(100)]), (line) =>
    lines.push(line),
  )
  t.same(counts, {
    passed: 3,
    failed: 2,
    failures: ['test/one.test.ts > adds > three', 'test/two.test.ts'],
    skipped: ['test/one.test.ts > clusters: no cluster here'],
  })
  const text = lines.join('\n')
  t.match(text, /FAIL {2}test\/one\.test\.ts > adds > three\n {2}diff:\n {4}-3\n {4}\+4/)
  t.match(text, 'FAIL  test/one.test.ts  1.2 s')
  t.match(
    text,
    /FAIL {2}test\/two\.test\.ts\n {2}exitCode:\n {4}7/,
    'a file that fails although its tests do not',
  )
  t.match(text, 'some text between')
  t.match(text, 'incomplete lines coverage')
})

t.test('a run that ends in the middle is a failure', async (t) => {
  const counts = await reportTap(
    Readable.from(['TAP version 14\nok 1 - a\nBail out! gone\n']),
    () => undefined,
  )
  t.match(counts, { passed: 1, failed: 1 })
})
