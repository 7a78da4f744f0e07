// What the routes of files and of their retrieval understand and answer. Pure.

import { z } from 'zod'
import { bytesInQuery, digestInHex } from '../http/input.js'
import { byteCount, checksumsAnswer, digestAnswer, timeAnswer } from '../http/members.js'
import type { Operation } from '../http/operation.js'
import {
  contentTypeInput,
  filenameInput,
  keyInput,
  labelInput,
  packageIdInput,
  relativePathInput,
  reportSchema,
} from '../uploads/operations.js'

/** A name that isn't a SHA-256 is not found, as one that nobody has sent. */
export const fileParams = z.object({ sha256: z.string().describe('The SHA-256 of the content, in hex.') })

/** `POST /files`: all there is to say of a file that comes in one request. */
export const oneShotQuery = z.strictObject({
  filename: filenameInput.optional(),
  label: labelInput.optional(),
  key: keyInput.optional(),
  relative_path: relativePathInput.optional(),
  package_id: packageIdInput.optional(),
  content_type: contentTypeInput.optional().describe('Before the Content-Type of the body.'),
  size: bytesInQuery
    .optional()
    .describe('Bytes; refused before the first one is read when Content-Length is another.'),
  md5: digestInHex('md5').optional(),
  sha1: digestInHex('sha1').optional(),
  sha256: digestInHex('sha256').optional(),
})

export const oneShotHeaders = z.object({
  prefer: z
    .string()
    .max(1000)
    .optional()
    .describe('respond-async (RFC 7240): 202 as soon as the bytes are stored, without waiting for the end.'),
})

export const fileSchema = z
  .object({
    file_id: digestAnswer('sha256').describe('The SHA-256 of the content.'),
    size: byteCount,
    checksums: checksumsAnswer,
    content_type: z.string().nullable(),
    filename: z.string(),
    created_at: timeAnswer,
    upload_id: z.string().describe('The upload that brought it, the newest of yours.'),
    retrieval_url: z.url().nullable(),
    label: z.string().nullable(),
    package_id: z.string().nullable().describe('The package that it is in.'),
    relative_path: z.string().nullable().describe('Where it is in there.'),
    warnings: z.array(z.string()).describe('What PASTA will refuse.'),
  })
  .meta({ id: 'File' })

const tag = 'Files'
const path = '/files/{sha256}'

const contentHeaders = {
  ETag: 'The SHA-256 of the content, in quotes.',
  'Content-Disposition': 'The name of the file (RFC 6266).',
  'Last-Modified': 'When it was finished.',
  'Accept-Ranges': 'bytes',
  'Repr-Digest': 'The SHA-256 in Base64 (RFC 9530).',
}

const rangeHeaders = z.object({
  range: z.string().optional().describe('One range of bytes (RFC 9110).'),
  'if-range': z.string().optional(),
  'if-none-match': z.string().optional(),
})

const knownHeaders = z.object({ 'if-none-match': z.string().optional() })

const bytesAnswers = {
  200: {
    description: 'The bytes, under their own media type.',
    headers: contentHeaders,
    content: { '*/*': 'bytes' },
  },
  206: {
    description: 'The range.',
    headers: { ...contentHeaders, 'Content-Range': 'Which bytes these are, of how many.' },
    content: { '*/*': 'bytes' },
  },
  304: { description: 'It is the content that you know.', headers: contentHeaders },
} as const

const headAnswers = {
  200: { description: 'As GET, without the bytes.', headers: contentHeaders },
  304: { description: 'It is the content that you know.', headers: contentHeaders },
} as const

const inRedirectMode = {
  302: {
    description: 'With RETRIEVAL_MODE=redirect: where the store hands out the bytes.',
    headers: { Location: 'A URL of the store, good for a few minutes.' },
  },
} as const

const retrievalParams = z.object({
  token: z.string().describe('The right to retrieve: part of `retrieval_url`.'),
  filename: z.string().describe('For people; any name does.'),
})

const oneShotBody: NonNullable<Operation['body']> = {
  content: {
    'application/octet-stream': 'bytes',
    'multipart/form-data': oneShotQuery.extend({ file: z.file() }),
  },
  isRequired: true,
}

const oneShotAnswers: Operation['answers'] = {
  201: {
    description: 'The file is ready.',
    headers: { Location: 'The URL of the report.' },
    content: { 'application/json': fileSchema },
  },
  202: {
    description: 'The bytes are stored, and are being finished.',
    headers: {
      Location: 'The URL of the report.',
      'Preference-Applied': 'respond-async, when that was asked for.',
    },
    content: { 'application/json': reportSchema },
  },
}

const oneShotProblems: Operation['problems'] = [
  ...(['NOT_FOUND', 'GONE', 'CONFLICT', 'PACKAGE_FINALIZED', 'LOCKED', 'PAYLOAD_TOO_LARGE'] as const),
  ...([
    'UNSUPPORTED_MEDIA_TYPE',
    'REQUEST_TIMEOUT',
    'HASH_MISMATCH',
    'CONTENT_REFUSED',
    'QUOTA_EXCEEDED',
    'INSUFFICIENT_STORAGE',
  ] as const),
]

export const fileOperations: readonly Operation[] = [
  {
    method: 'post',
    path: '/files',
    id: 'createFile',
    tag,
    summary: 'Send a file in one request',
    description:
      'A raw body under its own media type, or `multipart/form-data` with one `file`. A request that ends early leaves ' +
      'nothing behind.',
    scope: 'upload',
    query: oneShotQuery,
    headers: oneShotHeaders,
    body: oneShotBody,
    answers: oneShotAnswers,
    problems: oneShotProblems,
  },
  {
    method: 'post',
    path: '/packages/{id}/files',
    id: 'createFileInPackage',
    tag: 'Packages',
    summary: 'Send a file into a package in one request',
    scope: 'upload',
    params: z.object({ id: z.string().describe('The id of the package.') }),
    query: oneShotQuery.omit({ package_id: true }),
    headers: oneShotHeaders,
    body: oneShotBody,
    answers: oneShotAnswers,
    problems: oneShotProblems,
  },
  {
    method: 'get',
    path,
    id: 'getFile',
    tag,
    summary: 'A file by its content',
    description: 'The bytes; with "Accept: application/json" what is known of them.',
    scope: 'read',
    params: fileParams,
    headers: rangeHeaders,
    answers: {
      ...bytesAnswers,
      200: {
        ...bytesAnswers[200],
        content: { 'application/json': fileSchema, ...bytesAnswers[200].content },
      },
    },
    problems: ['NOT_FOUND', 'RANGE_NOT_SATISFIABLE'],
  },
  {
    method: 'head',
    path,
    id: 'headFile',
    tag,
    summary: 'Whether you have this content',
    scope: 'read',
    params: fileParams,
    headers: knownHeaders,
    answers: headAnswers,
    problems: ['NOT_FOUND'],
  },
  {
    method: 'delete',
    path,
    id: 'deleteFile',
    tag,
    summary: 'Delete every upload of yours with this content',
    description: 'The bytes go with the last owner of them.',
    scope: 'delete',
    params: fileParams,
    answers: { 204: { description: 'It is gone.' } },
    problems: ['NOT_FOUND', 'PACKAGE_FINALIZED'],
  },
  {
    method: 'get',
    path: `${path}/info`,
    id: 'getFileInfo',
    tag,
    summary: 'What is known of a file',
    scope: 'read',
    params: fileParams,
    answers: { 200: { description: 'The file.', content: { 'application/json': fileSchema } } },
    problems: ['NOT_FOUND'],
  },
  {
    method: 'get',
    path: `${path}/download`,
    id: 'downloadFile',
    tag,
    summary: 'The bytes of a file, whatever Accept says',
    scope: 'read',
    params: fileParams,
    headers: rangeHeaders,
    answers: bytesAnswers,
    problems: ['NOT_FOUND', 'RANGE_NOT_SATISFIABLE'],
  },
]

export const retrievalOperations: readonly Operation[] = [
  {
    method: 'get',
    path: '/r/{token}/{filename}',
    id: 'retrieve',
    tag: 'Retrieval',
    summary: 'Retrieve a file by its URL',
    description: 'What PASTA pulls. The URL alone is the right.',
    scope: null,
    params: retrievalParams,
    headers: rangeHeaders,
    answers: { ...bytesAnswers, ...inRedirectMode },
    problems: ['FORBIDDEN', 'NOT_FOUND', 'GONE', 'RANGE_NOT_SATISFIABLE'],
  },
  {
    method: 'head',
    path: '/r/{token}/{filename}',
    id: 'headRetrieval',
    tag: 'Retrieval',
    summary: 'What retrieving it would answer',
    scope: null,
    params: retrievalParams,
    headers: knownHeaders,
    answers: headAnswers,
    problems: ['FORBIDDEN', 'NOT_FOUND', 'GONE'],
  },
]
