// What the package routes understand and answer. Pure.

import { z } from 'zod'
import { lineOfText, timeInput } from '../http/input.js'
import { byteCount, digestAnswer, timeAnswer } from '../http/members.js'
import type { Answer, Operation } from '../http/operation.js'
import { pageAnswer } from '../http/pages.js'
import { uploadPage } from '../uploads/operations.js'
import { fileListQuery, packageListQuery } from './list-query.js'
import {
  MOST_KEY_CHARACTERS,
  MOST_METADATA_BYTES,
  MOST_METADATA_DEPTH,
  metadataProblem,
  normalizedMetadata,
} from './metadata.js'
import { MOST_LABEL_BYTES, PACKAGE_STATES, type PackageState } from './package.js'

const MOST_NAME_CHARACTERS = 1024

// ---- What comes in ---------------------------------------------------------------------------------------------------

/** An id is not checked for its form: what can't be one is not found, as what isn't one. */
export const packageParams = z.object({ id: z.string().describe('The id of the package, as in its report.') })

const line = lineOfText(MOST_NAME_CHARACTERS, 1)

/** Looked at before anything is done with it: it may be nested deeper than recursion goes. */
const metadataInput = z
  .unknown()
  .transform((value, context) => {
    const problem = metadataProblem(value)
    if (problem === null) return normalizedMetadata(value)
    context.addIssue({ code: 'custom', message: problem })
    return z.NEVER
  })
  .meta({
    type: 'object',
    additionalProperties: true,
    description:
      `Anything of your own: a JSON object of at most ${MOST_METADATA_BYTES} bytes, nested at most ${MOST_METADATA_DEPTH} deep, ` +
      `keys of at most ${MOST_KEY_CHARACTERS} characters, whole numbers within 2^53. Text is read in NFC.`,
  })

export const createPackageBody = z
  .strictObject({
    name: line.refine((name) => name.trim() !== '', 'must not be blank'),
    label: line
      .refine(
        (label) => Buffer.byteLength(label) <= MOST_LABEL_BYTES,
        `must have at most ${MOST_LABEL_BYTES} bytes in UTF-8`,
      )
      .optional()
      .describe('Uploads with this label join it while it is open.'),
    producer: line.optional(),
    subject: line.optional(),
    retention_class: line.optional().describe('One of RETENTION_CLASSES; without it, the first of them.'),
    metadata: metadataInput.optional(),
  })
  .meta({ id: 'NewPackage', examples: [{ name: 'Lake temperature 2026', label: 'lake-2026' }] })

export const extendRetentionBody = z
  .strictObject({
    new_expires_at: timeInput.describe(
      'Strictly later than now, and within MAX_TTL from the start of the package.',
    ),
    reason: lineOfText(1000, 1).refine((reason) => reason.trim() !== '', 'must not be blank'),
  })
  .meta({
    id: 'NewRetentionExtension',
    examples: [{ new_expires_at: '2027-06-30T00:00:00Z', reason: 'The review takes longer.' }],
  })

export const manifestHeaders = z.object({
  'if-none-match': z.string().optional().describe('An ETag that you have.'),
})

// ---- Answers ---------------------------------------------------------------------------------------------------------

const nullableLine = z.string().nullable()
const anyObject = z.record(z.string(), z.unknown())
const state = z.enum(PACKAGE_STATES as [PackageState, ...PackageState[]])

const summaryMembers = {
  id: z.string(),
  owner: z.string().describe('You, or who shares it with you.'),
  state,
  name: z.string(),
  label: nullableLine,
  producer: nullableLine,
  subject: nullableLine,
  retention_class: z.string(),
  metadata: anyObject,
  created_at: timeAnswer,
  finalized_at: timeAnswer.nullable(),
  expires_at: timeAnswer
    .nullable()
    .describe('Of an open package: when the last of its files ends. null: it is kept for ever.'),
  expires_in: byteCount.nullable().describe('Seconds left; null: it is kept for ever.'),
  manifest_sha256: digestAnswer('sha256')
    .nullable()
    .describe('Of the manifest in CBOR, once it is finalized.'),
  manifest_url: z.url().nullable(),
  eml_url: z.url().nullable(),
  counts: z
    .object({
      total: byteCount,
      ready: byteCount,
      failed: byteCount.describe('Those for which nothing ready has come to the same path since.'),
      unfinished: byteCount,
      bytes: byteCount.describe('Of the files that are ready.'),
    })
    .describe('What was canceled or deleted, or has expired, is not counted.'),
}

export const packageSummarySchema = z.object(summaryMembers).meta({ id: 'PackageSummary' })

const extensionMembers = {
  at: timeAnswer,
  by: z.string().describe('Whose credential it was.'),
  reason: z.string(),
  old_expires_at: timeAnswer,
  new_expires_at: timeAnswer,
}

export const packageSchema = z
  .object({
    ...summaryMembers,
    retention: z.object({ class: z.string(), extensions: z.array(z.object(extensionMembers)) }),
  })
  .meta({ id: 'Package' })

export const packagePage = pageAnswer(packageSummarySchema).meta({ id: 'PackagePage' })

export const extensionSchema = z
  .object({
    package_id: z.string(),
    ...extensionMembers,
    expires_at: timeAnswer.describe('When the package ends now.'),
    expires_in: byteCount.describe('Seconds left.'),
  })
  .meta({ id: 'RetentionExtension' })

const storeName = z.enum(['local', 's3'])

export const manifestSchema = z
  .object({
    manifest_version: z.literal(1),
    package: z.object({
      id: z.string(),
      name: z.string(),
      label: nullableLine,
      producer: nullableLine,
      subject: nullableLine,
      owner: z.string(),
      metadata: anyObject,
      created_at: timeAnswer,
      finalized_at: timeAnswer,
    }),
    files: z
      .array(
        z.object({
          path: z.string(),
          size: byteCount,
          media_type: z.string(),
          md5: digestAnswer('md5'),
          sha1: digestAnswer('sha1'),
          sha256: digestAnswer('sha256'),
          upload_id: z.string(),
          received: z.object({ started_at: timeAnswer, finished_at: timeAnswer }),
          storage_receipt: z.object({
            store: storeName,
            upload_id: z.string(),
            size: byteCount,
            sha256: digestAnswer('sha256'),
            stored_at: timeAnswer,
          }),
        }),
      )
      .describe('In the order of the bytes of their paths in UTF-8.'),
    totals: z.object({ files: byteCount, bytes: byteCount }),
    retention: z.object({
      class: z.string(),
      expires_at: timeAnswer.nullable().describe('As it was when the package was finalized.'),
      extensions: z.array(
        z.object({
          at: timeAnswer,
          reason: z.string(),
          old_expires_at: timeAnswer,
          new_expires_at: timeAnswer,
        }),
      ),
    }),
    provenance: z.object({
      service: z.literal('antipasto'),
      version: z.string(),
      public_url: z.string(),
      store: storeName,
    }),
  })
  .meta({ id: 'Manifest' })

// ---- Operations ------------------------------------------------------------------------------------------------------

const tag = 'Packages'
const path = '/packages/{id}'
const params = packageParams

const reportAnswer = { description: 'The report.', content: { 'application/json': packageSchema } }

const nextPage = { Link: 'The next page, rel="next".' }

const manifestAnswerHeaders = {
  ETag: 'The SHA-256 of these bytes, in quotes.',
  'Repr-Digest': 'The same, as RFC 9530 has it.',
  'Content-Length': 'Bytes.',
  'Last-Modified': 'When the package was finalized.',
}

const notModified: Answer = { description: 'You have it.', headers: { ETag: manifestAnswerHeaders.ETag } }

const MANIFEST_PROBLEMS = ['NOT_FOUND', 'GONE', 'CONFLICT'] as const

const manifestDescription =
  'Frozen when the package was finalized: the same bytes for ever. Retention extensions since then are in the report.'

export const packageOperations: readonly Operation[] = [
  {
    method: 'post',
    path: '/packages',
    id: 'createPackage',
    tag,
    summary: 'Make a package',
    scope: 'upload',
    body: { content: { 'application/json': createPackageBody }, isRequired: true },
    answers: { 201: { ...reportAnswer, headers: { Location: 'Its URL.' } } },
    problems: ['CONFLICT', 'UNSUPPORTED_MEDIA_TYPE', 'PAYLOAD_TOO_LARGE'],
  },
  {
    method: 'get',
    path: '/packages',
    id: 'listPackages',
    tag,
    summary: 'List your packages',
    description: 'Newest first.',
    scope: 'read',
    query: packageListQuery,
    openQuery: {
      prefix: 'metadata.',
      description:
        'metadata.<key>=<value>, up to ten of them: only packages whose metadata has that text, number or truth at that key.',
    },
    answers: {
      200: { description: 'One page.', headers: nextPage, content: { 'application/json': packagePage } },
    },
    problems: [],
  },
  {
    method: 'get',
    path,
    id: 'getPackage',
    tag,
    summary: 'The report of a package',
    scope: 'read',
    params,
    answers: { 200: reportAnswer },
    problems: ['NOT_FOUND', 'GONE'],
  },
  {
    method: 'delete',
    path,
    id: 'deletePackage',
    tag,
    summary: 'Delete a package with all its files',
    description: 'Finalized or not. All retrieval URLs of its files are dead.',
    scope: 'delete',
    params,
    answers: { 204: { description: 'It is gone.' } },
    problems: ['NOT_FOUND', 'GONE'],
  },
  {
    method: 'get',
    path: `${path}/files`,
    id: 'listPackageFiles',
    tag,
    summary: 'The files of a package',
    description:
      'Their reports, in the order of the bytes of their paths. Failed ones stand at no path: GET /uploads?package_id= lists them.',
    scope: 'read',
    params,
    query: fileListQuery,
    answers: {
      200: { description: 'One page.', headers: nextPage, content: { 'application/json': uploadPage } },
    },
    problems: ['NOT_FOUND', 'GONE'],
  },
  {
    method: 'post',
    path: `${path}/finalize`,
    id: 'finalizePackage',
    tag,
    summary: 'Freeze a package and make its manifest',
    description:
      'All of its files must be ready; 409 names those that are not. Repeated, it answers the same manifest. A finalized ' +
      'package ends as a whole: after the time of its retention class from now, or with that of its files that would have lasted longest.',
    scope: 'upload',
    params,
    answers: { 200: reportAnswer },
    problems: ['NOT_FOUND', 'GONE', 'CONFLICT'],
  },
  ...(['get', 'head'] as const).flatMap((method): Operation[] => [
    {
      method,
      path: `${path}/manifest`,
      id: `${method}PackageManifest`,
      tag,
      summary: 'The manifest, in CBOR',
      description: `${manifestDescription} With "Accept: application/json" it is the one of manifest.json.`,
      scope: 'read',
      params,
      headers: manifestHeaders,
      answers: {
        200: {
          description: 'RFC 8949, core deterministic encoding. Decoded, it equals the JSON.',
          headers: { ...manifestAnswerHeaders, Vary: 'Accept' },
          ...(method === 'head'
            ? {}
            : { content: { 'application/cbor': manifestSchema, 'application/json': manifestSchema } }),
        },
        304: notModified,
      },
      problems: [...MANIFEST_PROBLEMS, 'NOT_ACCEPTABLE'],
    },
    {
      method,
      path: `${path}/manifest.json`,
      id: `${method}PackageManifestJson`,
      tag,
      summary: 'The manifest, in JSON',
      description: manifestDescription,
      scope: 'read',
      params,
      headers: manifestHeaders,
      answers: {
        200: {
          description: 'RFC 8785, the JSON canonicalization scheme.',
          headers: manifestAnswerHeaders,
          ...(method === 'head' ? {} : { content: { 'application/json': manifestSchema } }),
        },
        304: notModified,
      },
      problems: MANIFEST_PROBLEMS,
    },
  ]),
  {
    method: 'post',
    path: `${path}/retention/extensions`,
    id: 'extendPackage',
    tag,
    summary: 'Keep a package longer',
    description: 'With all its files. Its manifest stays as it is.',
    scope: 'upload',
    params,
    body: { content: { 'application/json': extendRetentionBody }, isRequired: true },
    answers: {
      201: { description: 'The extension.', content: { 'application/json': extensionSchema } },
    },
    problems: ['NOT_FOUND', 'GONE', 'CONFLICT', 'UNSUPPORTED_MEDIA_TYPE', 'PAYLOAD_TOO_LARGE'],
  },
]
