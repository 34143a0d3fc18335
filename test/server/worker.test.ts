import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { sharedPython } from '../support/shared-python.ts'

/** Runs a few lines with worker.py imported as a module, which starts nothing. */
async function python(lines: string): Promise<string> {
  const folder = new URL('../../server', import.meta.url).pathname
  const program = `import sys\nsys.path.insert(0, ${JSON.stringify(folder)})\nimport worker\n${lines}`
  const { stdout } = await promisify(execFile)(await sharedPython(), ['-B', '-c', program])
  return stdout
}

t.test(
  'a memory kill is told from other kills by the control group’s count (versions 2 and 1)',
  async (t) => {
    const folder = t.testdir({
      v2: 'low 0\noom 3\noom_kill 1\n',
      v1: 'oom_kill_disable 0\nunder_oom 0\noom_kill 1\n',
    })
    const lines = `
for version in ("v2", "v1"):
    path = ${JSON.stringify(folder)} + "/" + version
    events = worker.MemoryEvents()
    events.file, events.count = path, 1
    answers = [events.killed()]
    text = open(path).read().replace("oom_kill 1", "oom_kill 2")
    open(path, "w").write(text)
    answers += [events.killed(), events.killed()]
    print(answers)
missing = worker.MemoryEvents()
missing.file = None
print(missing.killed())
`
    t.equal(await python(lines), '[False, True, False]\n[False, True, False]\nFalse\n')
  },
)

t.test('the code guard refuses nothing of its own Python: the whole standard library', async (t) => {
  const lines = `
import glob, os, types, warnings
import dill
warnings.simplefilter("ignore")
guard = worker.CodeGuard(dill)
count = refused = 0
def walk(code):
    global count, refused
    count += 1
    names = ["argcount", "posonlyargcount", "kwonlyargcount", "nlocals", "stacksize", "flags", "code", "consts", "names", "varnames", "filename", "name"]
    if hasattr(code, "co_exceptiontable"): names += ["qualname", "firstlineno", "linetable", "exceptiontable"]
    elif hasattr(code, "co_linetable"): names += ["firstlineno", "linetable"]
    else: names += ["firstlineno", "lnotab"]
    fields = [getattr(code, "co_" + name) for name in names + ["freevars", "cellvars"]]
    refused += guard.foreign_version(fields) is not None
    for each in code.co_consts:
        if isinstance(each, types.CodeType): walk(each)
for path in glob.glob(os.path.dirname(os.__file__) + "/*.py"):
    walk(compile(open(path, encoding="utf-8").read(), path, "exec"))
print(count > 5000, refused)
`
  t.equal(await python(lines), 'True 0\n')
})
