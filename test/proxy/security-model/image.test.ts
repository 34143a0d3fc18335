import t from 'tap'
import { profilesOf } from '../../../proxy/security-model/profiles.ts'
import { cpuTime } from '../../support/cpu-time.ts'
import { securityModel, securityModelSettings } from '../../support/security-model.ts'

const HEX = 'a'.repeat(64)
const PIN = `@sha256:${HEX}`
const SCIENCE = 'registry.example.org/science'

/** What is approved for an image under these patterns; the code when it is refused. */
function approved(images: string[], image: unknown, imagesByDigest = false): string {
  const { model, grant } = securityModel({ profiles: [{ name: 'default', images, imagesByDigest }] })
  try {
    return model.approve(grant, { python: '3.12', image: image as string }).interpreter
  } catch (error) {
    return (error as { code: string }).code
  }
}

/** Pattern, images that it allows, images that it does not. */
const TABLE: [string, string[], string[]][] = [
  [
    `${SCIENCE}/*:*`,
    [`${SCIENCE}/torch:2.1`, `${SCIENCE}/a_b--c.d:X`, `${SCIENCE}/torch:2.1${PIN}`, `${SCIENCE}/torch${PIN}`],
    [
      `${SCIENCE}/team/torch:2.1`,
      `${SCIENCE}:1`,
      `${SCIENCE}evil/torch:1`,
      `evil.example/${SCIENCE}/torch:1`,
      'registry.example.org.evil.example/science/torch:1',
      'registry.example.org:5000/science/torch:1',
      'registryxexample.org/science/torch:1',
      'science/torch:1',
    ],
  ],
  [
    `${SCIENCE}/torch:2.*`,
    [`${SCIENCE}/torch:2.`, `${SCIENCE}/torch:2.1-gpu`],
    // The digest counts, not the tag: it could be any image of that name.
    [`${SCIENCE}/torch:2.1${PIN}`, `${SCIENCE}/torch${PIN}`, `${SCIENCE}/torch:3.1`, `${SCIENCE}/torch`],
  ],
  [`${SCIENCE}/torch@*`, [`${SCIENCE}/torch${PIN}`, `${SCIENCE}/torch:9${PIN}`], [`${SCIENCE}/torch:9`]],
  [
    `${SCIENCE}/torch${PIN}`,
    [`${SCIENCE}/torch${PIN}`],
    [`${SCIENCE}/torch@sha256:${'b'.repeat(64)}`, `${SCIENCE}/torch`, `${SCIENCE}/other${PIN}`],
  ],
  [
    `${SCIENCE}/torch:2${PIN}`,
    [`${SCIENCE}/torch:2${PIN}`],
    [`${SCIENCE}/torch${PIN}`, `${SCIENCE}/torch:2`],
  ],
  [`${SCIENCE}/torch`, [`${SCIENCE}/torch:latest`], [`${SCIENCE}/torch:1`, `${SCIENCE}/torch${PIN}`]],
  ['localhost:5000/*/py-*-slim:3.1*', ['localhost:5000/a/py-x-slim:3.12'], ['localhost:5000/a/py-slim:3.12']],
  [
    'docker.io/library/python:*',
    ['docker.io/library/python:3.12'],
    ['python:3.12', 'library/python:3.12', 'docker.io/python:3.12', 'index.docker.io/library/python:3.12'],
  ],
]

for (const [pattern, allowed, refused] of TABLE) {
  t.test(`the pattern ${pattern}`, async (t) => {
    for (const image of allowed) t.equal(approved([pattern], image), image)
    for (const image of refused) t.equal(approved([pattern], image), 'image_not_allowed', image)
  })
}

t.test('an image takes the place of the one of the profile, and is part of the digest', async (t) => {
  const { model, grant } = securityModel({ profiles: [{ name: 'default', images: [`${SCIENCE}/*:*`] }] })
  const servers = [undefined, `${SCIENCE}/a:1`, `${SCIENCE}/a:2`].map((image) =>
    model.approve(grant, { python: '3.12', ...(image && { image }) }),
  )
  t.same(
    servers.map(({ interpreter }) => interpreter),
    ['python:3.12-slim', `${SCIENCE}/a:1`, `${SCIENCE}/a:2`],
  )
  t.equal(new Set(servers.map(({ digest }) => digest)).size, 3)
})

t.test('without a tag it is "latest", said out loud', async (t) => {
  t.equal(approved([`${SCIENCE}/*:*`], `${SCIENCE}/a`), `${SCIENCE}/a:latest`)
})

t.test('without patterns no image may be named', async (t) => {
  t.equal(approved([], 'docker.io/library/python:3.12'), 'image_not_allowed')
  t.equal(approved([], 'python:3.12-slim'), 'image_not_allowed', "not even the profile's own")
})

t.test('imagesByDigest wants a digest, whatever the pattern', async (t) => {
  const by = (image: string) => approved([`${SCIENCE}/*:*`], image, true)
  t.equal(by(`${SCIENCE}/a:1`), 'image_not_allowed')
  t.equal(by(`${SCIENCE}/a:1${PIN}`), `${SCIENCE}/a:1${PIN}`)
})

t.test('a pattern that would say too much, or nothing, stops the start', async (t) => {
  const start = (pattern: string, imagesByDigest = false) =>
    profilesOf(
      securityModelSettings({ profiles: [{ name: 'a', images: [pattern], imagesByDigest }] }).profiles,
    )
  const wrong = [
    '*',
    '*:*',
    '*/*:*',
    'python:*',
    'science/*:*',
    '*.example.org/a:*',
    'evil*/a:1',
    'localhost*/a:1',
  ]
  wrong.push(
    `${SCIENCE}/**/`,
    `${SCIENCE}//a:*`,
    `${SCIENCE}/A:*`,
    `${SCIENCE}/a:1:2`,
    `${SCIENCE}/a@sha256:*`,
  )
  wrong.push(`${SCIENCE}/a@*@*`, ` ${SCIENCE}/a:*`, `${SCIENCE}/a:*\n`, `https://${SCIENCE}/a:*`)
  for (const pattern of wrong)
    t.throws(
      () => start(pattern),
      { name: 'SettingsError', message: /profiles\.0\.images\.0: write/ },
      pattern,
    )
  t.throws(() => start(`${SCIENCE}/a:1`, true), { message: /images\.0: it allows nothing/ })
})

t.test('a pattern of many "*" takes no time', async (t) => {
  const spent = cpuTime(() =>
    t.equal(
      approved([`${SCIENCE}/${'a*'.repeat(100)}b:1`], `${SCIENCE}/${'a'.repeat(200)}:1`),
      'image_not_allowed',
    ),
  )
  t.ok(spent < 500, `${spent} ms`)
})
