import t from 'tap'
import { requestOf } from '../../../../proxy/routes/rexec/form.ts'

t.test('python== selects the version and is no package', (t) => {
  const versions = {
    'python==3.11': '3.11',
    'python==3.9': '3.9',
    'python==3.11.4': '3.11',
    'python == 3.12.*': '3.12',
    ' Python==3.13 ': '3.13',
    'python===3.10.1': '3.10',
  }
  for (const [line, version] of Object.entries(versions)) {
    t.same(
      requestOf({ requirments: ['numpy>=2', line] }),
      { python: version, requirements: ['numpy>=2'], replace: true },
      line,
    )
  }
  t.same(requestOf({ requirments: 'python==3.11' }).requirements, [])
  t.end()
})

t.test('names that begin with python are packages', (t) => {
  const requirments = ['python==3.11', 'python-dateutil==2.9', 'python_jose', 'pythonnet==3.0', 'python.x==1']
  t.same(requestOf({ requirments }).requirements, requirments.slice(1))
  t.end()
})

t.test('without exactly one exact version the form is refused', (t) => {
  const refused = [
    undefined,
    [],
    ['numpy'],
    ['python'],
    ['python>=3.9'],
    ['python~=3.11'],
    ['python==3.11,!=3.11.2'],
    ['python==2.7'],
    ['python==3'],
    ['python==3.111'],
    ['python==3.11; sys_platform == "linux"'],
    ['python[x]==3.11'],
    ['python@3.11'],
    ['python==3.11', 'python==3.12'],
    ['python==3.11', 'python==3.11'],
  ]
  for (const requirments of refused) {
    t.throws(
      () => requestOf({ ...(requirments && { requirments }) }),
      { code: 'python_required' },
      `${requirments}`,
    )
  }
  t.end()
})

t.test('force_reinstall is in Python words; clients without it replace', (t) => {
  const requirments = ['python==3.11']
  t.equal(requestOf({ requirments }).replace, true)
  t.equal(requestOf({ requirments, force_reinstall: 'True' }).replace, true)
  t.equal(requestOf({ requirments, force_reinstall: 'False' }).replace, false)
  t.end()
})
