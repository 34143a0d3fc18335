import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const PROGRAM = `
import base64, json, sys
import __main__, dill
for line in sys.stdin:
    order = json.loads(line)
    try:
        if "source" in order:
            names = __main__.__dict__
            exec(compile(order["source"], "notebook.py", "exec"), names)
            function = eval(order["function"], names)
            arguments = eval(order["arguments"], names)
            answer = [base64.b64encode(dill.dumps(each)).decode() for each in (function, arguments)]
        else:
            answer = dill.loads(base64.b64decode(order["payload"]))
            if order.get("expression"):
                answer = eval(order["expression"], {"event": answer})
            json.dumps(answer)
    except Exception as error:
        answer = {"raised": repr(error)}
    print(json.dumps(answer), flush=True)
`

/** A real Python with dill, in the place of a client: it pickles functions as a notebook does and reads events. */
export class Pickles {
  readonly #process: ChildProcess
  readonly #answers: AsyncIterator<string>
  #last: Promise<unknown> = Promise.resolve()

  constructor(python: string) {
    this.#process = spawn(python, ['-c', PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#answers = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]()
  }

  #ask(order: object): Promise<unknown> {
    const answer = this.#last.then(async () => {
      this.#process.stdin!.write(`${JSON.stringify(order)}\n`)
      const { value } = await this.#answers.next()
      return JSON.parse(value)
    })
    this.#last = answer
    return answer
  }

  /**
   * Pickles the function that the expression `fn` names after `source` has run, and the tuple `args`.
   */
  async dump(source: string, fn = 'f', args = '()'): Promise<[Buffer, Buffer]> {
    const answer = (await this.#ask({ source, function: fn, arguments: args })) as string[]
    if (!Array.isArray(answer)) throw new Error(JSON.stringify(answer))
    return [Buffer.from(answer[0]!, 'base64'), Buffer.from(answer[1]!, 'base64')]
  }

  /** Reads an event; `expression` makes something that fits into JSON of it. */
  load(payload: Buffer, expression?: string): Promise<unknown> {
    return this.#ask({ payload: payload.toString('base64'), expression })
  }

  close(): void {
    this.#process.stdin!.end()
  }
}
