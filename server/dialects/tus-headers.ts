// What a tus request says in its headers, validated. Pure. @tus/server reads them again, and finds them valid.

import { Metadata } from '@tus/server'
import { AppError } from '../errors.js'
import { fileName } from '../uploads/file-name.js'
import type { BodyChecksum } from '../uploads/intake.js'
import { relativePath } from '../uploads/relative-path.js'
import type { UploadDescription } from '../uploads/upload.js'

export const TUS_VERSION = '1.0.0'
export const CHECKSUM_ALGORITHMS = ['md5', 'sha1', 'sha256'] as const
export const OFFSET_MEDIA_TYPE = 'application/offset+octet-stream'

const DIGEST_BYTES = { md5: 16, sha1: 20, sha256: 32 }
/** As lines of text in JSON bodies; what is indexed must fit an index. */
const MAX_VALUE_BYTES = 1024

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** Whether a request has anything of tus in its headers. */
export function speaksTus(headers: Headers): boolean {
  return (
    Object.keys(headers).some((name) => name === 'tus-resumable' || name.startsWith('upload-')) ||
    isOffsetStream(headers)
  )
}

/** @throws UNSUPPORTED_VERSION unless the request speaks tus 1.0.0 */
export function assertTusVersion(headers: Headers): void {
  const version = headers['tus-resumable']
  if (version === TUS_VERSION) return
  const said =
    version === undefined ? 'Tus-Resumable is missing' : `Tus-Resumable ${version} is not supported`
  throw new AppError('UNSUPPORTED_VERSION', `${said}. Send "Tus-Resumable: ${TUS_VERSION}".`)
}

/**
 * A count of bytes as tus writes it: decimal digits, no sign, no leading zeros, at most 2^53 - 1.
 *
 * @returns null when the header is missing
 */
export function byteCount(headers: Headers, name: string): number | null {
  const text = headers[name.toLowerCase()]
  if (text === undefined) return null
  const count = typeof text === 'string' && /^(0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(count)) return count
  throw new AppError(
    'INVALID_INPUT',
    `${name} must be a whole number of bytes from 0 to ${Number.MAX_SAFE_INTEGER}, written in decimal digits.`,
  )
}

/** The announced length of the body; null when it is chunked. */
export function announcedBytes(headers: Headers): number | null {
  if (headers['transfer-encoding'] !== undefined) return null
  return byteCount(headers, 'Content-Length') ?? 0
}

/** True when the request brings bytes as tus does. Parameters such as `; charset=utf-8` change nothing. */
export function isOffsetStream(headers: Headers): boolean {
  const type = headers['content-type']
  return typeof type === 'string' && type.split(';')[0]?.trim().toLowerCase() === OFFSET_MEDIA_TYPE
}

/** `Upload-Length`, or null for `Upload-Defer-Length: 1`. Exactly one of them must be there. */
export function creationLength(headers: Headers): number | null {
  const length = byteCount(headers, 'Upload-Length')
  const defer = headers['upload-defer-length']
  if (defer !== undefined && defer !== '1') {
    throw new AppError(
      'INVALID_INPUT',
      'Upload-Defer-Length can only be 1. Leave it out when the length is known.',
    )
  }
  if ((length === null) === (defer === undefined)) {
    throw new AppError(
      'INVALID_INPUT',
      'Send either Upload-Length with the bytes of the file, or Upload-Defer-Length: 1.',
    )
  }
  return length
}

/** `Upload-Checksum: <algorithm> <Base64 digest>` of one request's body. */
export function bodyChecksum(headers: Headers): BodyChecksum | null {
  const header = headers['upload-checksum']
  if (header === undefined) return null
  const [name = '', value = '', ...rest] = String(header).split(' ')
  const algorithm = CHECKSUM_ALGORITHMS.find((known) => known === name)
  if (algorithm === undefined) {
    throw new AppError(
      'INVALID_INPUT',
      `Upload-Checksum knows ${CHECKSUM_ALGORITHMS.join(', ')}, not "${name}".`,
    )
  }
  const digest = Buffer.from(value, 'base64')
  if (
    rest.length > 0 ||
    digest.byteLength !== DIGEST_BYTES[algorithm] ||
    digest.toString('base64') !== value
  ) {
    throw new AppError('INVALID_INPUT', `Upload-Checksum must be "${algorithm} " and the digest in Base64.`)
  }
  return { algorithm, digest }
}

/** The upload that a creation request describes. @throws INVALID_INPUT naming the key of Upload-Metadata */
export function describeUpload(headers: Headers): UploadDescription {
  const header = headers['upload-metadata']
  const tusMetadata = header === undefined || header === '' ? null : String(header)
  const values = tusMetadata === null ? {} : parseMetadata(tusMetadata)
  const finish = value(values, 'finalize')
  if (finish !== null && finish !== 'manual' && finish !== 'auto') {
    throw new AppError('INVALID_INPUT', '"finalize" in Upload-Metadata can be "auto" or "manual".')
  }
  const path = value(values, 'relativePath')
  const concat = headers['upload-concat'] === undefined ? null : String(headers['upload-concat'])
  return {
    filename: fileName(value(values, 'filename') ?? value(values, 'name') ?? ''),
    contentType: mediaType(value(values, 'filetype') ?? value(values, 'type')),
    key: value(values, 'key'),
    label: value(values, 'label'),
    // Uppy writes the text "null" for a file that came without a folder.
    relativePath:
      path === null || path === 'null' ? null : relativePath(path, '"relativePath" in Upload-Metadata'),
    packageId: value(values, 'packageId'),
    // A part is finished as soon as it can be: nobody sees it.
    finish: concat === 'partial' ? 'auto' : (finish ?? 'auto'),
    concat,
    tusMetadata,
    sizeBytes: concat?.startsWith('final') ? null : creationLength(headers),
    declared: {
      ...declaredDigest(values, 'md5'),
      ...declaredDigest(values, 'sha1'),
      ...declaredDigest(values, 'sha256'),
    },
  }
}

/**
 * All that makes a creation another one: length, metadata, what it is of a concatenation. The pairs of the metadata may come in
 * any order, and a part is known by its path alone.
 *
 * @param headers of a creation that has been found valid
 */
export function askedOf(headers: Headers): object {
  const metadata = String(headers['upload-metadata'] ?? '')
  return {
    length: byteCount(headers, 'Upload-Length'),
    metadata: metadata
      .split(',')
      .map((pair) => pair.trim())
      .sort(),
    concat: concatenatedIds(headers) ?? headers['upload-concat'] ?? null,
  }
}

/**
 * The uploads that `Upload-Concat: final;<url> <url> …` puts together, in order; null for a part and for a plain upload.
 *
 * @throws INVALID_INPUT for any other value, and for a final upload with a length or a body of its own
 */
export function concatenatedIds(headers: Headers): string[] | null {
  const header = headers['upload-concat']
  if (header === undefined || header === 'partial') return null
  const [kind, list = ''] = String(header).split(';', 2)
  const ids = list
    .split(' ')
    .filter((url) => url !== '')
    .map(uploadIdOf)
  if (kind !== 'final' || ids.length === 0) {
    throw new AppError(
      'INVALID_INPUT',
      'Upload-Concat must be "partial", or "final;" and the URLs of the parts with spaces between.',
    )
  }
  if (headers['upload-length'] !== undefined || headers['upload-defer-length'] !== undefined) {
    throw new AppError('INVALID_INPUT', 'A final upload is as long as its parts. Leave Upload-Length out.')
  }
  if (announcedBytes(headers) !== 0) {
    throw new AppError('INVALID_INPUT', 'A final upload has the bytes of its parts. Send no body.')
  }
  return ids
}

/** By its path alone: behind a proxy the same upload has several origins. */
function uploadIdOf(url: string): string {
  const path = URL.canParse(url, 'http://here.invalid') ? new URL(url, 'http://here.invalid').pathname : ''
  const id = /^\/uploads\/([0-9a-f]+)\/?$/.exec(path)?.[1]
  if (id !== undefined) return id
  throw new AppError(
    'INVALID_INPUT',
    `Upload-Concat names ${JSON.stringify(url.slice(0, 200))}, which is no upload's URL.`,
  )
}

type Values = Readonly<Record<string, string | null>>

function parseMetadata(header: string): Values {
  try {
    return Metadata.parse(header)
  } catch (cause) {
    throw new AppError(
      'INVALID_INPUT',
      'Upload-Metadata must be comma-separated pairs of an ASCII key and a Base64 value, each key once.',
      { cause },
    )
  }
}

/** @throws INVALID_INPUT for what no name, label or path can hold: control characters (CR, LF and NUL forge lines) */
function value(values: Values, key: string): string | null {
  const text = Object.hasOwn(values, key) ? values[key] : null
  if (text === null || text === undefined || text === '') return null
  if (Buffer.byteLength(text.normalize('NFC')) > MAX_VALUE_BYTES) {
    throw new AppError(
      'INVALID_INPUT',
      `"${key}" in Upload-Metadata is longer than ${MAX_VALUE_BYTES} bytes.`,
    )
  }
  // What the decoder writes for bytes that aren't UTF-8.
  if (text.includes('\ufffd'))
    throw new AppError('INVALID_INPUT', `"${key}" in Upload-Metadata is not UTF-8.`)
  if (/\p{Cc}/u.test(text)) {
    throw new AppError(
      'INVALID_INPUT',
      `"${key}" in Upload-Metadata has control characters. Rename the file, or leave them out.`,
    )
  }
  return text.normalize('NFC')
}

const MEDIA_TYPE = /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}(?:[ \t]*;[ \t]*[\w!#$&^.+-]+=[\w!#$&^.+"-]+)*$/

/** What the client's system guessed; a guess that isn't a media type is no reason to refuse a file. */
function mediaType(text: string | null): string | null {
  return text !== null && MEDIA_TYPE.test(text) ? text.toLowerCase() : null
}

function declaredDigest(values: Values, algorithm: keyof typeof DIGEST_BYTES): Record<string, string> {
  const text = value(values, algorithm)
  if (text === null) return {}
  const hex = text.trim().toLowerCase()
  if (!/^[0-9a-f]+$/.test(hex) || hex.length !== DIGEST_BYTES[algorithm] * 2) {
    throw new AppError(
      'INVALID_INPUT',
      `"${algorithm}" in Upload-Metadata must be ${DIGEST_BYTES[algorithm] * 2} hexadecimal digits.`,
    )
  }
  return { [algorithm]: hex }
}
