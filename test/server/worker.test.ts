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
  'a memory kill is told from other kills by the control group’s count, with the limit (versions 2 and 1)',
  async (t) => {
    const folder = t.testdir({
      v2: { 'memory.events': 'low 0\noom 3\noom_kill 1\n', 'memory.max': '1073741824\n' },
      v1: {
        'memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 1\n',
        'memory.limit_in_bytes': '1073741824\n',
      },
    })
    const lines = `
import os
def memory(folder):
    memory = worker.Memory()
    memory.group.folder = folder
    memory.count = memory.kills()
    memory.seen = float("-inf")
    return memory
for version, events, limit, none in (
    ("v2", "memory.events", "memory.max", "max"),
    ("v1", "memory.oom_control", "memory.limit_in_bytes", "9223372036854771712"),
):
    folder = os.path.join(${JSON.stringify(folder)}, version)
    looked = memory(folder)
    answers = [looked.killing(), looked.limit()]
    text = open(os.path.join(folder, events)).read().replace("oom_kill 1", "oom_kill 3")
    open(os.path.join(folder, events), "w").write(text)
    answers += [looked.killing(), looked.killing()]  # two processes may have been killed at once
    looked.seen -= worker.OOM_WINDOW
    open(os.path.join(folder, limit), "w").write(none)
    answers += [looked.killing(), looked.limit()]
    print(answers)
missing = memory(None)
print(missing.killing(), missing.limit())
`
    const expected = '[False, 1073741824, True, True, False, None]\n'
    t.equal(await python(lines), `${expected.repeat(2)}False None\n`)
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

t.test(
  'an agent that ended before the worker had said all: its exit code counts, if it gave one',
  async (t) => {
    const lines = `
import socket
for orders in ([], [(worker.END, b"0")], [(worker.KILL, b"1"), (worker.END, b"1")]):
    here, there = socket.socketpair()
    lifeline = worker.Lifeline(here)
    worker.Link(there).send(*orders)
    there.close()
    try:
        lifeline.send_json(worker.EXITED, {"pid": 1, "code": 0})
    except (SystemExit, EOFError) as end:
        print(repr(end))
`
    t.equal(await python(lines), "EOFError('the agent has gone')\nSystemExit(0)\nSystemExit(1)\n")
  },
)
