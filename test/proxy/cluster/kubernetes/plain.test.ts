import t from 'tap'
import { plain, plainSentence } from '../../../../proxy/cluster/kubernetes/plain.ts'

t.test('a text of somebody else, fit for showing', async (t) => {
  const shown: [text: string, as: string][] = [
    ['two\nlines\tand a tab', 'two\nlines\tand a tab'],
    ['\u001b[31mred\u001b[0m \u001b[2Jgone', 'red gone'],
    ['\u0000\u0007\u009b\rnul', 'nul'],
    ['\u202etxet desrever\u2066\u200b\ufeff', 'txet desrever'],
    ['line\u2028separator', 'lineseparator'],
    ['password=hunter22 Bearer abcdefgh', 'password=[redacted] Bearer [redacted]'],
    ['naïve 😀', 'naïve 😀'],
  ]
  for (const [text, as] of shown) t.equal(plain(text), as)
  t.equal(plain('x'.repeat(1e6)).length, 2000)
  t.equal(plain('abcdef', 4), 'abc…')
  t.equal(plainSentence(' a\n\n b '), 'a b.')
  t.equal(plainSentence('really?'), 'really?')
  t.equal(plainSentence(''), '')
})

t.test('the hidden parts of a secret are not shown for being apart', async (t) => {
  t.equal(plain('pass\u200bword=hun\u200dter22'), 'password=[redacted]')
})
