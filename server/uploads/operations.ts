// What the upload routes understand and answer. Pure.

import { z } from 'zod'
import { isAppError } from '../errors.js'
import { digestInHex, lineOfText, timeInput } from '../http/input.js'
import { byteCount, checksumsAnswer, digestAnswer, timeAnswer } from '../http/members.js'
import type { Operation } from '../http/operation.js'
import { pageAnswer } from '../http/pages.js'
import { uploadListQuery } from './list-query.js'
import { MOST_PATH_BYTES, relativePath } from './relative-path.js'
import { MOST_UNDO_SECONDS } from './undo.js'
import { UPLOAD_STATES, type UploadState } from './upload.js'

const MOST_NAME_CHARACTERS = 1024

export const MERGE_PATCH = 'application/merge-patch+json'
const OFFSET_STREAM = 'application/offset+octet-stream'

// ---- Members ---------------------------------------------------------------------------------------------------------

export const uploadState = z.enum(UPLOAD_STATES as [UploadState, ...UploadState[]])

/** An id is not checked for its form: what can't be one is not found, as what isn't one. */
export const uploadParams = z.object({ id: z.string().describe('The id of the upload, as in its report.') })

/** Every way in that names a file in JSON or in a query reads these. */
export const filenameInput = lineOfText(MOST_NAME_CHARACTERS, 1).describe(
  'The name under which the file is handed out. Folders before it are dropped.',
)
export const labelInput = lineOfText(MOST_NAME_CHARACTERS, 1).describe(
  'Joins the open package of this label, which is made on first use.',
)
export const keyInput = lineOfText(MOST_NAME_CHARACTERS, 1).describe('Your own name for the upload.')
export const packageIdInput = z.string().min(1).max(200).describe('The open package to join.')
export const contentTypeInput = z
  .string()
  .max(255)
  .regex(/^[\w!#$&^.+-]+\/[\w!#$&^.+-]+([ \t]*;[ \t]*[\w!#$&^.+-]+=[\w!#$&^.+"-]+)*$/, {
    error: 'must be a media type such as text/csv',
  })

/** In NFC. */
export const relativePathInput = z
  .string()
  .min(1)
  .max(MOST_PATH_BYTES)
  .transform((text, context) => {
    try {
      return relativePath(text, 'relative_path')
    } catch (error) {
      if (!isAppError(error)) throw error
      context.addIssue({ code: 'custom', message: error.detail })
      return z.NEVER
    }
  })
  .describe(
    'Where the file stands in its package: folder/file.csv. No "..", no leading or doubled slash, no backslash, no control characters. Read in NFC.',
  )

export const declaredChecksums = z.strictObject({
  md5: digestInHex('md5').optional(),
  sha1: digestInHex('sha1').optional(),
  sha256: digestInHex('sha256').optional(),
})

// ---- Bodies ----------------------------------------------------------------------------------------------------------

/** `POST /uploads` with JSON: opens a session. */
export const createSessionBody = z
  .strictObject({
    filename: filenameInput,
    key: keyInput.optional(),
    label: labelInput.optional(),
    package_id: packageIdInput.optional(),
    relative_path: relativePathInput.optional(),
    size: byteCount.optional().describe('Bytes. Without it, the last PATCH names the size in Content-Range.'),
    content_type: contentTypeInput.optional(),
    checksums: declaredChecksums.optional().describe('The upload fails when what arrives has others.'),
  })
  .meta({ id: 'NewSession', examples: [{ filename: 'temperature.csv', label: 'lake-2026', size: 3 }] })

export const createSessionHeaders = z.object({
  'idempotency-key': z
    .string()
    .regex(/^[\x20-\x7e]{1,200}$/, 'must be 1 to 200 printable ASCII characters')
    .optional()
    .describe(
      'Makes the request safe to repeat: the same key with the same request answers the same upload, with another one 409. ' +
        'JSON: 200 with its report. tus: 201 with its Location and Upload-Offset, and of a body no byte is taken again; 410 when the upload has ended. The same are length, metadata (in any order) and Upload-Concat.',
    ),
})

/** `POST /uploads/{id}/complete`. No body is an empty one. */
export const completeBody = z
  .strictObject({
    package_id: packageIdInput.optional(),
    relative_path: relativePathInput.optional(),
    checksums: declaredChecksums.optional(),
  })
  .meta({ id: 'Completion', examples: [{ relative_path: 'data/temperature.csv' }] })

/** What else it says is refused: a mistyped name would delete for good. */
export const deletionQuery = z.strictObject({
  undo_seconds: z
    .string()
    .regex(/^\d{1,15}$/, 'must be a whole number of seconds')
    .transform(Number)
    .pipe(z.int().min(1).max(MOST_UNDO_SECONDS))
    .optional()
    .describe('For so long restore brings it back. Without it, it is deleted for good.'),
})

const changeable = lineOfText(1000).nullable().optional()

/** RFC 7396: what is null is removed, what is absent stays. */
export const uploadChangesBody = z
  .strictObject({
    label: labelInput.nullable().optional(),
    key: changeable,
    note: changeable,
    expires_at: timeInput
      .optional()
      .describe('Later than it is, and within MAX_TTL from the start of the upload.'),
  })
  .meta({ id: 'UploadChanges', examples: [{ note: 'Sensor 3 was replaced in May.' }] })

// ---- Headers of tus, validated in dialects/tus-headers.ts ------------------------------------------------------------

const bytesInHeader = z.string().regex(/^(0|[1-9]\d{0,15})$/)

const tusResumable = z.string().optional().describe('1.0.0, with which the request speaks tus.')

const uploadChecksum = z
  .string()
  .regex(/^(md5|sha1|sha256) [A-Za-z0-9+/]+={0,2}$/)
  .optional()
  .describe('tus: the algorithm, and the digest of this body in Base64.')

const creationHeaders = createSessionHeaders.extend({
  'tus-resumable': tusResumable,
  'upload-length': bytesInHeader.optional().describe('tus: the bytes of the whole file.'),
  'upload-defer-length': z.literal('1').optional().describe('tus: the length comes with a PATCH.'),
  'upload-metadata': z
    .string()
    .optional()
    .describe(
      'tus: pairs of a key and a Base64 value, separated by commas. Known keys: filename, filetype, key, label, packageId, relativePath, md5, sha1, sha256, finalize.',
    ),
  'upload-concat': z
    .string()
    .optional()
    .describe('tus: "partial", or "final;" and the URLs of the partial uploads, separated by spaces.'),
  'upload-checksum': uploadChecksum,
})

const patchHeaders = z.object({
  'tus-resumable': tusResumable,
  'upload-offset': bytesInHeader.optional().describe('tus: where these bytes begin.'),
  'upload-length': bytesInHeader.optional().describe('tus: the length, when it was deferred.'),
  'upload-checksum': uploadChecksum,
  'content-range': z
    .string()
    .optional()
    .describe('Without tus: "bytes a-b/n" or "bytes a-b/*". a is the offset, b the last byte of this body.'),
})

// ---- Answers ---------------------------------------------------------------------------------------------------------

const nullableText = z.string().nullable()

export const reportSchema = z
  .object({
    id: z.string(),
    state: uploadState,
    key: nullableText,
    label: nullableText,
    package_id: nullableText,
    relative_path: nullableText,
    filename: nullableText,
    content_type: nullableText,
    note: nullableText,
    size: byteCount.nullable().describe('Bytes; null while it is not known.'),
    offset: byteCount.describe('Bytes that are stored and acknowledged.'),
    reread_bytes: byteCount
      .nullable()
      .describe('How far finishing has read the stored bytes again; null when it does not have to.'),
    checksums: checksumsAnswer.nullable().describe('Of the bytes that arrived.'),
    declared_checksums: z.object({
      md5: digestAnswer('md5').nullable(),
      sha1: digestAnswer('sha1').nullable(),
      sha256: digestAnswer('sha256').nullable(),
    }),
    file_id: digestAnswer('sha256').nullable().describe('The SHA-256 of the content, once it is ready.'),
    retrieval_url: z
      .url()
      .nullable()
      .describe('Hands out the bytes to whoever knows it: keep it as you would a key.'),
    eml_url: z.url().nullable(),
    created_at: timeAnswer,
    finished_at: timeAnswer.nullable(),
    expires_at: timeAnswer.nullable().describe('null: it is kept for ever.'),
    expires_in: byteCount.nullable().describe('Seconds left; null: it is kept for ever.'),
    restorable_until: timeAnswer
      .nullable()
      .describe('Until when restore undoes its deletion; null: it has not ended, or nothing of it is left.'),
    warnings: z.array(z.string()).describe('What will be refused later on the way to PASTA.'),
    error: z.object({ code: z.string(), detail: z.string() }).nullable(),
  })
  .meta({ id: 'Report' })

/** What opens a session answers: the report, and where the bytes go. */
export const sessionSchema = reportSchema
  .extend({ upload_url: z.url().describe('Where the bytes go, by PATCH.') })
  .meta({ id: 'Session' })

export const uploadPage = pageAnswer(reportSchema).meta({ id: 'ReportPage' })

export const receivedSchema = z
  .object({
    offset: byteCount.describe('Bytes that are stored and acknowledged.'),
    checksums: checksumsAnswer.describe('Of exactly these bytes.'),
  })
  .meta({ id: 'Received' })

export const retrievalUrlAnswer = z.object({ retrieval_url: z.url() })

// ---- Operations ------------------------------------------------------------------------------------------------------

const tag = 'Uploads'
const path = '/uploads/{id}'
const params = uploadParams

const uploadOffset = { 'Upload-Offset': 'Bytes that are stored and acknowledged.' }
const reportAnswer = { description: 'The report.', content: { 'application/json': reportSchema } }

const capabilities = {
  204: {
    description: 'What tus may do here.',
    headers: {
      'Tus-Resumable': '1.0.0',
      'Tus-Version': 'Versions of tus that are spoken here.',
      'Tus-Extension': 'Extensions of tus that this server has.',
      'Tus-Max-Size': 'The largest file, in bytes.',
      'Tus-Checksum-Algorithm': 'Algorithms for Upload-Checksum.',
    },
  },
} as const

export const uploadOperations: readonly Operation[] = [
  {
    method: 'post',
    path: '/uploads',
    id: 'createUpload',
    tag,
    summary: 'Begin an upload',
    description:
      'With JSON: opens a session, whose bytes come by PATCH with Content-Range and which ends with complete. With ' +
      'Tus-Resumable: creation of tus 1.0.0, by headers, optionally with the first bytes as the body.',
    scope: 'upload',
    headers: creationHeaders,
    body: {
      content: { 'application/json': createSessionBody, [OFFSET_STREAM]: 'bytes' },
      isRequired: false,
    },
    answers: {
      200: {
        description: 'The session that this Idempotency-Key has opened before.',
        headers: { Location: 'Its URL.', ...uploadOffset },
        content: { 'application/json': sessionSchema },
      },
      201: {
        description: 'It has begun. To tus the answer has no body.',
        headers: {
          Location: 'Its URL.',
          'Upload-Offset': 'Bytes that are stored; to tus, when it sent some, or had begun it before.',
          'Upload-Expires': 'tus: when it ends unless more bytes come.',
          'Tus-Resumable': 'tus: 1.0.0.',
        },
        content: { 'application/json': sessionSchema },
      },
    },
    problems: [
      ...(['NOT_FOUND', 'CONFLICT', 'PACKAGE_FINALIZED', 'OFFSET_MISMATCH', 'GONE', 'LOCKED'] as const),
      ...(['UNSUPPORTED_VERSION', 'PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE', 'REQUEST_TIMEOUT'] as const),
      ...([
        'HASH_MISMATCH',
        'CONTENT_REFUSED',
        'CHECKSUM_MISMATCH',
        'QUOTA_EXCEEDED',
        'INSUFFICIENT_STORAGE',
      ] as const),
    ],
  },
  {
    method: 'get',
    path: '/uploads',
    id: 'listUploads',
    tag,
    summary: 'List your uploads',
    scope: 'read',
    query: uploadListQuery,
    answers: {
      200: {
        description: 'One page.',
        headers: { Link: 'The next page, rel="next".' },
        content: { 'application/json': uploadPage },
      },
    },
    problems: [],
  },
  {
    method: 'options',
    path: '/uploads',
    id: 'getTusCapabilities',
    tag,
    summary: 'What tus may do here',
    scope: null,
    answers: capabilities,
    problems: [],
  },
  {
    method: 'get',
    path,
    id: 'getUpload',
    tag,
    summary: 'The report of an upload',
    description: 'Of one that has ended, too, until its tombstone is swept.',
    scope: 'read',
    params,
    answers: { 200: reportAnswer },
    problems: ['NOT_FOUND'],
  },
  {
    method: 'head',
    path,
    id: 'getUploadOffset',
    tag,
    summary: 'tus: where to go on',
    scope: 'upload',
    params,
    headers: z.object({ 'tus-resumable': tusResumable }),
    answers: {
      200: {
        description: 'How far it is.',
        headers: {
          ...uploadOffset,
          'Upload-Length': 'The bytes of the whole file, when they are known.',
          'Upload-Defer-Length': '1 while they are not.',
          'Upload-Metadata': 'As it was sent.',
          'Upload-Concat': 'As it was sent.',
          'Upload-Expires': 'When it ends unless more bytes come.',
          'Tus-Resumable': '1.0.0.',
        },
      },
    },
    problems: ['NOT_FOUND', 'GONE', 'LOCKED', 'UNSUPPORTED_VERSION'],
  },
  {
    method: 'patch',
    path,
    id: 'appendOrChange',
    tag,
    summary: 'Send bytes, or change details',
    description:
      `As tus, with "Content-Type: ${OFFSET_STREAM}" and Upload-Offset; or with Content-Range, in HTTP's own words; or ` +
      `details as "${MERGE_PATCH}".`,
    scope: 'upload',
    params,
    headers: patchHeaders,
    body: {
      content: {
        [OFFSET_STREAM]: 'bytes',
        [MERGE_PATCH]: uploadChangesBody,
        'application/octet-stream': 'bytes',
      },
      isRequired: true,
    },
    answers: {
      200: {
        ...reportAnswer,
        description: 'The report, as the changes or the bytes of Content-Range have left it.',
        headers: { 'Upload-Offset': 'With Content-Range: bytes that are stored and acknowledged.' },
      },
      204: {
        description: 'tus: the bytes are stored.',
        headers: {
          ...uploadOffset,
          'Upload-Expires': 'When it ends unless more bytes come.',
          'Tus-Resumable': 'tus: 1.0.0.',
        },
      },
    },
    problems: [
      ...(['NOT_FOUND', 'GONE', 'OFFSET_MISMATCH', 'CONFLICT', 'PACKAGE_FINALIZED', 'LOCKED'] as const),
      ...(['UNSUPPORTED_VERSION', 'PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE', 'REQUEST_TIMEOUT'] as const),
      ...([
        'RANGE_NOT_SATISFIABLE',
        'HASH_MISMATCH',
        'CONTENT_REFUSED',
        'CHECKSUM_MISMATCH',
        'QUOTA_EXCEEDED',
        'INSUFFICIENT_STORAGE',
      ] as const),
    ],
  },
  {
    method: 'delete',
    path,
    id: 'deleteUpload',
    tag,
    summary: 'Cancel or delete an upload',
    description:
      'Nothing of it is left but its report, and its retrieval URL is dead. With undo_seconds the same is true at once, but its ' +
      'bytes are kept for a while, and count in the quota, so that restore can bring it back; repeated, it answers the same and ' +
      'gives no more time. Without undo_seconds, one that could be restored is deleted for good.',
    scope: 'delete',
    params,
    query: deletionQuery,
    answers: {
      200: {
        ...reportAnswer,
        description:
          'With undo_seconds: the report; restorable_until is null when there was nothing that could be gone on with.',
      },
      204: { description: 'It is gone.' },
    },
    problems: ['NOT_FOUND', 'GONE', 'CONFLICT', 'PACKAGE_FINALIZED', 'LOCKED'],
  },
  {
    method: 'post',
    path: `${path}/restore`,
    id: 'restoreUpload',
    tag,
    summary: 'Undo a deletion',
    description:
      'Of an upload that was deleted with undo_seconds: until restorable_until it comes back as it was, with its URL, its bytes ' +
      'and its place in its package. One that has not ended answers its report.',
    scope: 'delete',
    params,
    answers: { 200: reportAnswer },
    problems: ['NOT_FOUND', 'GONE', 'CONFLICT', 'PACKAGE_FINALIZED'],
  },
  {
    method: 'get',
    path: `${path}/received`,
    id: 'getReceived',
    tag,
    summary: 'The checksums of what has arrived so far',
    description:
      'By them you know, before you go on with an upload, whether you have the same file: they are those of its first `offset` bytes.',
    scope: 'upload',
    params,
    answers: {
      200: {
        description: 'The offset, and the checksums of the bytes before it.',
        content: { 'application/json': receivedSchema },
      },
    },
    problems: ['NOT_FOUND', 'GONE', 'CONFLICT'],
  },
  {
    method: 'options',
    path,
    id: 'getTusCapabilitiesOfUpload',
    tag,
    summary: 'What tus may do here',
    scope: null,
    params,
    answers: capabilities,
    problems: [],
  },
  {
    method: 'post',
    path: `${path}/complete`,
    id: 'completeUpload',
    tag,
    summary: 'Finish a session',
    description:
      'Every byte must have arrived; 409 says the offset to go on at. Repeated, it answers the same report.',
    scope: 'upload',
    params,
    body: { content: { 'application/json': completeBody }, isRequired: false },
    answers: {
      200: { ...reportAnswer, description: 'The report. While its state is finalizing, ask for it again.' },
    },
    problems: [
      ...(['NOT_FOUND', 'GONE', 'OFFSET_MISMATCH', 'CONFLICT', 'PACKAGE_FINALIZED', 'LOCKED'] as const),
      ...(['HASH_MISMATCH', 'CONTENT_REFUSED', 'QUOTA_EXCEEDED', 'INSUFFICIENT_STORAGE'] as const),
    ],
  },
  {
    method: 'post',
    path: `${path}/retrieval-url`,
    id: 'renewRetrievalUrl',
    tag,
    summary: 'Make a new retrieval URL',
    description: 'The old one is dead at once.',
    scope: 'upload',
    params,
    answers: { 200: { description: 'The new one.', content: { 'application/json': retrievalUrlAnswer } } },
    problems: ['NOT_FOUND', 'GONE', 'CONFLICT'],
  },
  {
    method: 'get',
    path: `${path}/eml`,
    id: 'getUploadEml',
    tag,
    summary: 'The EML of an upload',
    description: 'A `physical` element, to be pasted into an EML 2.2.0 document.',
    scope: 'read',
    params,
    answers: { 200: { description: 'The element.', content: { 'application/xml': z.string() } } },
    problems: ['NOT_FOUND', 'GONE', 'CONFLICT'],
  },
]
