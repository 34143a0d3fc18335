import { RexecError } from '../../common/errors.ts'
import type { Profile } from '../pipeline.ts'

/** As in the OCI distribution specification: names in lower case, tags in either, digests of SHA-256 alone. */
const HOST = '[a-z0-9]+(?:(?:\\.|-+)[a-z0-9]+)*(?::[0-9]{1,5})?'
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_{1,2}|-+)[a-z0-9]+)*'
const TAG = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}'
const DIGEST = 'sha256:[0-9a-f]{64}'
const IMAGE = new RegExp(`^(${HOST}(?:/${COMPONENT})+)(?::(${TAG}))?(?:@(${DIGEST}))?$`)
const MAX_NAME = 255

/** The parts of an image's reference, or of a pattern. Without tag and digest it means the tag "latest". */
interface Image {
  name: string
  tag: string | undefined
  digest: string | undefined
}

/**
 * The image that a request names, in its normal form, when a pattern of the profile allows it. Registry and path are
 * compared as they are written, in full, so that nothing is left for a container runtime to guess.
 *
 * A digest makes the runtime pass over the tag. So a pinned image is allowed by patterns that allow every tag of the
 * name ("...:*") or that have a digest themselves ("...@*").
 * @throws image_not_allowed
 */
export function approveImage({ images, imagesByDigest }: Profile, text: unknown): string {
  const image = typeof text === 'string' ? readImage(text) : undefined
  if (!image)
    throw new RexecError('image_not_allowed', 'image: write it in full, with registry, path and tag.')
  if (imagesByDigest && !image.digest) {
    throw new RexecError('image_not_allowed', 'image: pin it by its digest, "...@sha256:<64 hex digits>".')
  }
  if (!images.some((pattern) => allows(readPattern(pattern)!, image))) {
    throw new RexecError('image_not_allowed', 'image: the profile allows no such image.')
  }
  const { name, tag, digest } = image
  return name + (tag ? `:${tag}` : '') + (digest ? `@${digest}` : '')
}

/** What is wrong with a pattern: it could mean more than it says, or allows nothing. */
export function problemOfPattern(text: string, imagesByDigest: boolean): string | undefined {
  const pattern = readPattern(text)
  if (!pattern) return 'write it in full, with the registry (without *), such as "docker.io/library/python:*"'
  if (imagesByDigest && !pattern.digest && pattern.tag !== '*') {
    return 'it allows nothing, since images must be pinned: let it end in ":*" or "@*"'
  }
  return undefined
}

function readImage(text: string): Image | undefined {
  const [, name, tag, digest] = IMAGE.exec(text) ?? []
  if (!name || name.length > MAX_NAME || !hasRegistry(name)) return undefined
  return { name, tag: tag ?? (digest ? undefined : 'latest'), digest }
}

/** A pattern is an image with any characters but "/", ":" and "@" replaced by "*", or all of a digest. */
function readPattern(text: string): Image | undefined {
  const anyDigest = text.endsWith('@*')
  const image = anyDigest ? `${text.slice(0, -1)}sha256:${'0'.repeat(64)}` : text
  if (!hasRegistry(text) || !readImage(image.replaceAll('*', 'x'))) return undefined
  const [path, digest] = text.split('@') as [string, string?]
  const colon = path.indexOf(':', path.lastIndexOf('/'))
  const tag = colon < 0 ? undefined : path.slice(colon + 1)
  return {
    name: colon < 0 ? path : path.slice(0, colon),
    tag: tag ?? (digest ? undefined : 'latest'),
    digest,
  }
}

/** Whether what stands before the first "/" is a host to a runtime; else it would be a path on a registry of its own choice. */
function hasRegistry(name: string): boolean {
  const host = name.slice(0, name.indexOf('/'))
  return !host.includes('*') && (/[.:]/.test(host) || host === 'localhost')
}

function allows(pattern: Image, image: Image): boolean {
  const parts = image.name.split('/')
  const globs = pattern.name.split('/')
  if (parts.length !== globs.length || !globs.every((glob, index) => fits(glob, parts[index]!))) return false
  if (!pattern.digest) return image.digest ? pattern.tag === '*' : fits(pattern.tag!, image.tag!)
  const tagFits = pattern.tag === undefined || (image.tag !== undefined && fits(pattern.tag, image.tag))
  return tagFits && image.digest !== undefined && fits(pattern.digest, image.digest)
}

/** Whether `*` can stand for what differs. Not by a regular expression: many `*` in one can take exponential time. */
function fits(glob: string, text: string): boolean {
  const [head, ...pieces] = glob.split('*') as [string, ...string[]]
  const tail = pieces.pop()
  if (tail === undefined) return text === head
  if (!text.startsWith(head) || !text.endsWith(tail)) return false
  const end = text.length - tail.length
  let position = head.length
  for (const piece of pieces) {
    const found = text.indexOf(piece, position)
    if (found < 0) return false
    position = found + piece.length
  }
  return position <= end
}
