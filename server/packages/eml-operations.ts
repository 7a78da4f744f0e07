// What EML's routes take and answer. Pure.

import { z } from 'zod'
import { lineOfText } from '../http/input.js'
import type { Operation } from '../http/operation.js'
import { MISSING_REASONS, type Patched } from './eml-patch.js'

export const MOST_DOCUMENT_BYTES = 8 * 1024 * 1024

/** Of a document that comes in. */
export const EML_TYPES = ['application/xml', 'text/xml']

/** Percent-encoded names, comma-separated, may be this long: proxies allow 4 or 8 KiB for all headers of an answer. */
const MOST_HEADER_CHARACTERS = 1_000

const labelText = z.string().min(1).pipe(lineOfText(1000))

export const packageEmlParams = z.strictObject({ id: z.string() })
export const noQuery = z.strictObject({})

export const patchQuery = z
  .strictObject({ package_id: z.string().optional(), label: labelText.optional() })
  .refine(({ package_id: id, label }) => (id === undefined) !== (label === undefined), {
    message: 'name the package, by either package_id or label',
  })

export const patchAnswer = z.strictObject({
  document: z.string(),
  matched: z.array(
    z.strictObject({ object_name: z.string(), entity: z.string(), upload_id: z.string(), path: z.string() }),
  ),
  missing: z.array(
    z.strictObject({
      object_name: z.string().nullable(),
      entity: z.string(),
      reason: z.enum(MISSING_REASONS),
    }),
  ),
  unused: z.array(z.strictObject({ path: z.string(), upload_id: z.string() })),
})

export function patchAnswerOf({ document, matched, missing, unused }: Patched): z.input<typeof patchAnswer> {
  return {
    document,
    matched: matched.map(({ objectName, entity, file }) => ({
      object_name: objectName,
      entity,
      upload_id: file.uploadId,
      path: file.path,
    })),
    missing: missing.map(({ objectName, entity, reason }) => ({ object_name: objectName, entity, reason })),
    unused: unused.map(({ path, uploadId }) => ({ path, upload_id: uploadId })),
  }
}

/** The same lists for those who take the document as it is. */
export function patchHeadersOf({ matched, missing, unused }: Patched): Record<string, string> {
  return {
    'X-EML-Matched': listInHeader(matched.map(({ objectName }) => objectName)),
    'X-EML-Missing': listInHeader(missing.map(({ objectName, entity }) => objectName ?? entity)),
    'X-EML-Unused': listInHeader(unused.map(({ path }) => path)),
  }
}

/** Ends in an encoded `…(+3)` when three names found no room. */
function listInHeader(names: readonly string[]): string {
  let list = ''
  for (const [index, name] of names.entries()) {
    const longer = list + (index === 0 ? '' : ',') + encodeName(name)
    if (longer.length > MOST_HEADER_CHARACTERS) return `${list}%E2%80%A6(+${names.length - index})`
    list = longer
  }
  return list
}

function encodeName(name: string): string {
  return encodeURIComponent(name.toWellFormed()).replaceAll(
    /[()]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

const TAG = 'EML'

export const emlOperations: readonly Operation[] = [
  {
    method: 'get',
    path: '/packages/{id}/eml',
    id: 'getPackageEml',
    tag: TAG,
    summary: 'The ready files of a package as EML entities',
    description:
      'One well-formed document: an `entities` element with one `otherEntity` of EML 2.2.0 per ready file (entityName, physical, entityType), in the order of their paths. Move these into the `dataset` of your document. `objectName` is the file’s name, or its path when other files have the same name. The package may still be open.',
    scope: 'read',
    params: packageEmlParams,
    query: noQuery,
    answers: { 200: { description: 'The entities', content: { 'application/xml': 'bytes' } } },
    problems: ['NOT_FOUND', 'GONE', 'CONFLICT'],
  },
  {
    method: 'post',
    path: '/eml',
    id: 'patchEml',
    tag: TAG,
    summary: 'Fill an EML document with the checksums and URLs of a package',
    description:
      'Takes a whole EML 2 document in UTF-8, at most 8 MiB, and fills each `physical` of its entities whose `objectName` is the path of a file of the package, or the name of exactly one: `size` in bytes, `authentication` by MD5 and SHA-1, and the first `distribution/online/url` whose function isn’t `information`. An entity without `physical` is known by its `entityName` and gets one. Everything else stays as it is, byte for byte; patching again changes nothing. `label` means your open package with this label, else the one finalized last. A document with a DOCTYPE is refused.',
    scope: 'read',
    query: patchQuery,
    body: { content: { 'application/xml': 'bytes', 'text/xml': 'bytes' }, isRequired: true },
    answers: {
      200: {
        description: 'The patched document; with `Accept: application/json` in a report on it',
        headers: {
          'X-EML-Matched':
            'objectNames that were filled: percent-encoded, comma-separated, at most some 1,000 characters; `…(+3)` at the end (encoded) stands for three more. With application/xml only.',
          'X-EML-Missing': 'objectNames (or entity names) without a ready file. With application/xml only.',
          'X-EML-Unused': 'Paths of ready files that no entity names. With application/xml only.',
        },
        content: { 'application/xml': 'bytes', 'application/json': patchAnswer },
      },
    },
    problems: [
      'NOT_FOUND',
      'GONE',
      'CONFLICT',
      'NOT_ACCEPTABLE',
      'PAYLOAD_TOO_LARGE',
      'UNSUPPORTED_MEDIA_TYPE',
    ],
  },
]
