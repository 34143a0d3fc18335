import { type Static, Type } from 'typebox'
import { RexecError } from '../../../common/errors.ts'
import type { ServerRequest } from '../../pipeline.ts'
import { MAX_TOKEN } from '../../schemas.ts'

const token = Type.Optional(
  Type.String({ maxLength: MAX_TOKEN, description: 'Your token, unless the Authorization header holds it.' }),
)
const WORDS = { True: true, true: true, False: false, false: false } as const

/** POST /spawn, as the clients send it; "requirments" is how they spell it. */
export const SpawnForm = Type.Object(
  {
    requirments: Type.Optional(
      Type.Union([Type.String(), Type.Array(Type.String(), { maxItems: 1000 })], {
        description: 'One line of requirements.txt, repeated; one of them is "python==X.Y".',
      }),
    ),
    token,
    force_reinstall: Type.Optional(
      Type.Enum(Object.keys(WORDS) as (keyof typeof WORDS)[], {
        description:
          'True: replace a server with another environment. Without this field it is replaced as well.',
      }),
    ),
  },
  { additionalProperties: false },
)

/** DELETE /spawn and DELETE /terminate. */
export const TerminateForm = Type.Object({ token }, { additionalProperties: false })

/** The name, however it is written, and not the beginning of another one, such as python-dateutil. */
const PYTHON = /^python(?![\w.-])/i
/** A patch version (3.11.4, 3.11.*) is accepted for its minor version: images and pickles go by that. */
const PYTHON_VERSION = /^python\s*===?\s*(3\.\d{1,2})(?:\.(?:\d{1,3}|\*))?$/i

/**
 * The one place where a form becomes a request. A client that does not know force_reinstall (0.0.8) has no other way to
 * ask for another environment, so its server is replaced.
 * @throws python_required
 */
export function requestOf({ requirments = [], force_reinstall }: Static<typeof SpawnForm>): ServerRequest {
  const lines = [requirments].flat().map((line) => line.trim())
  const [python, ...more] = lines.filter((line) => PYTHON.test(line))
  const version = PYTHON_VERSION.exec(python ?? '')?.[1]
  if (!version || more.length > 0) throw new RexecError('python_required')
  return {
    python: version,
    requirements: lines.filter((line) => line !== '' && line !== python),
    replace: force_reinstall === undefined || WORDS[force_reinstall],
  }
}
