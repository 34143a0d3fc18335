import { createRandom, type Random } from '../../../support/random.ts'

/** Requirements as people write them, by the grammar, with its spaces, spellings and nestings. */
export function ordinary(count: number, seed: number): string[] {
  const random = createRandom(seed)
  return Array.from({ length: count }, () => requirement(random))
}

/** The same with a few characters removed, doubled, replaced or inserted: most are wrong, some are not. */
export function mutated(count: number, seed: number): string[] {
  const random = createRandom(seed)
  return Array.from({ length: count }, () => {
    let text = requirement(random)
    for (let edits = 1 + random.below(3); edits > 0; edits--) text = edit(text, random)
    return text
  })
}

const SPACE = ['', '', '', ' ', '  ']
const NAMES = [
  'numpy',
  'Ruamel.Yaml',
  'zope_interface',
  'a',
  'A1',
  'my--pkg',
  'x.-_y',
  '2to3',
  'in',
  'and',
  'python-dateutil',
]
const OPERATORS = ['==', '!=', '<=', '>=', '<', '>', '~=', '===']
const RELEASES = ['1', '2.0', '1.26.4', '0', '2024.01.1', '1.2.3.4.5', '00.01', '10000000000000000000000']
const PRES = ['', '', '', 'a1', '-alpha.2', '.beta', '_b3', 'rc1', 'C2', 'pre', '-preview_9']
const POSTS = ['', '', '', '.post1', '-1', 'post', '-r2', '.rev3']
const DEVS = ['', '', '', '.dev1', 'dev', '-dev02']
const LOCALS = ['', '', '', '+cu121', '+Ubuntu-1', '+1.02_x']
const VARIABLES = [
  'python_version',
  'python_full_version',
  'os_name',
  'sys_platform',
  'platform_machine',
  'platform_system',
  'implementation_name',
  'platform_python_implementation',
]
const VALUES = ['3.8', '3.12', 'linux', 'posix', 'nt', 'x86_64', 'CPython', 'Linux', '', '2.7 3.9']

function requirement(random: Random): string {
  const space = () => random.pick(SPACE)
  const extras = random.chance(0.2) ? `[${space()}${list(random, () => random.pick(NAMES))}${space()}]` : ''
  const versions = random.chance(0.8) ? list(random, () => specifier(random)) : ''
  const wrapped = versions && random.chance(0.2) ? `(${space()}${versions}${space()})` : versions
  const marked = random.chance(0.3) ? `${space()};${space()}${marker(random, 3)}` : ''
  return `${space()}${random.pick(NAMES)}${space()}${extras}${space()}${wrapped}${marked}${space()}`
}

function list(random: Random, item: () => string): string {
  return Array.from({ length: 1 + random.below(3) }, item).join(`${random.pick(SPACE)},${random.pick(SPACE)}`)
}

function specifier(random: Random): string {
  const operator = random.pick(OPERATORS)
  const release = random.pick(RELEASES)
  const wildcard = random.chance(0.15) ? '.*' : ''
  const rest =
    wildcard ||
    random.pick(PRES) +
      random.pick(POSTS) +
      random.pick(DEVS) +
      (random.chance(0.2) ? random.pick(LOCALS) : '')
  return operator + random.pick(SPACE) + random.pick(['', '', '', 'v', '1!', 'V0!']) + release + rest
}

function marker(random: Random, depth: number): string {
  if (depth > 0 && random.chance(0.5)) {
    const joined = `${marker(random, depth - 1)} ${random.pick(['and', 'or'])} ${marker(random, depth - 1)}`
    return random.chance(0.5) ? `(${joined})` : joined
  }
  const quote = random.pick(['"', "'"])
  const variable = random.pick(VARIABLES)
  const value = `${quote}${random.pick(VALUES)}${quote}`
  const operator = ` ${random.pick(['==', '!=', '<', '>=', 'in', 'not in', 'not  in'])} `
  return random.chance(0.8) ? variable + operator + value : value + operator + variable
}

const PIECES = [
  ...' ,;()[]<>=!~.*+-_@#\'"/\\:$',
  'and',
  'or',
  'in',
  'not',
  '==',
  '===',
  '.*',
  '\t',
  '\n',
  'é',
  '0',
  'a',
]

function edit(text: string, random: Random): string {
  const at = random.below(text.length + 1)
  const piece = random.pick(['', random.pick(PIECES), text.slice(at, at + 1 + random.below(3))])
  return text.slice(0, at) + piece + text.slice(at + random.below(3))
}
