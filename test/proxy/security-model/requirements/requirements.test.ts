import t from 'tap'
import { securityModel } from '../../../support/security-model.ts'

const approve = (requirements: string[], settings: object = {}) => {
  const { model, grant } = securityModel({ requirements: { base: [], ...settings } })
  return model.approve(grant, { python: '3.12', requirements }).requirements
}

t.test('requirements come out in normal form, sorted', async (t) => {
  t.same(
    approve(['Zope.Interface >= 5', "numpy (<3, >=2) ; python_version>'3.8'", 'requests[Socks, security]']),
    ['numpy<3,>=2; python_version > "3.8"', 'requests[security,socks]', 'zope-interface>=5'],
  )
})

t.test('the same one twice is one; different ones of a package are all kept', async (t) => {
  t.same(approve(['numpy>=2', 'NumPy >= 2', 'numpy<3']), ['numpy<3', 'numpy>=2'])
  const byVersion = ['numpy<2; python_version < "3.10"', 'numpy>=2; python_version >= "3.10"']
  t.same(approve(byVersion), byVersion)
})

t.test('a name that pip would take for a local archive comes out as none', async (t) => {
  t.same(approve(['evil.zip', 'evil.tar.gz', 'evil.whl==1']), ['evil-tar-gz', 'evil-whl==1', 'evil-zip'])
})

t.test('base requirements are added unless the user names the package', async (t) => {
  const base = ['dill==0.4.0', 'cloudpickle']
  t.same(approve(['numpy'], { base }), ['cloudpickle', 'dill==0.4.0', 'numpy'])
  t.same(approve(['DILL'], { base }), ['cloudpickle', 'dill'])
  t.throws(() => approve([], { base: ['dill', 'x @ https://evil.example'] }), {
    name: 'SettingsError',
    message: /securityModel.requirements.base.1: URLs are not allowed/,
  })
})

t.test('a refusal names the place and what was expected there', async (t) => {
  const cases: [string, RegExp][] = [
    ['numpy=2', /^requirements\[1\]: expected ==, .* \(at character 6\)\.$/],
    ['numpy @ https://x/y.whl', /^requirements\[1\]: URLs are not allowed \(at character 7\)\.$/],
    ['-r requirements.txt', /expected a package name \(at character 1\)/],
    ['numpy>=1.*', /what follows ">=" is not a version that may stand there \(at character 8\)/],
    ['numpy~=2', /"~=" needs a version such as 1.4/],
    ['numpy\n', /only plain ASCII characters .* \(at character 6\)/],
    ['numpy; python > "3"', /expected a marker variable such as python_version/],
    ['numpy; python_version "3"', /expected a comparison/],
    ['numpy==1 # c', /expected the end/],
    ['python==3.12', /name its version in "python"/],
  ]
  for (const [requirement, detail] of cases) {
    t.throws(() => approve(['ok', requirement]), { code: 'requirement_invalid', detail }, requirement.trim())
  }
})

t.test('limits of count and length hold at their settings', async (t) => {
  t.equal(approve(['a', 'b'], { maxCount: 2 }).length, 2)
  t.throws(() => approve(['a', 'b', 'c'], { maxCount: 2 }), {
    code: 'limit_exceeded',
    detail: /more than 2 entries/,
  })
  t.equal(approve(['a'.repeat(16)], { maxLength: 16 }).length, 1)
  t.throws(() => approve(['a'.repeat(17)], { maxLength: 16 }), {
    code: 'limit_exceeded',
    detail: /more than 16/,
  })
})

t.test('parentheses as deep as the longest requirement allows', async (t) => {
  const deep = (count: number) => [`a; ${'('.repeat(count)}os_name == "nt"${')'.repeat(count)}`]
  t.same(approve(deep(500), { maxLength: 1024 }), ['a; os_name == "nt"'])
  t.throws(() => approve([`a;${'('.repeat(1022)}`], { maxLength: 1024 }), { code: 'requirement_invalid' })
})

t.test('the default limits take what is allowed at most', async (t) => {
  t.equal(approve(Array.from({ length: 100 }, (_, index) => `package-${index}`)).length, 100)
  t.equal(approve(['a'.repeat(512)]).length, 1)
  t.equal(approve([`a; ${'('.repeat(240)}os_name == "nt"${')'.repeat(240)}`])[0], 'a; os_name == "nt"')
})
