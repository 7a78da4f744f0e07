// What a request that brings a whole file says of it. Pure.

import type { z } from 'zod'
import { AppError } from '../errors.js'
import { oneShotQuery } from '../files/operations.js'
import { parseInput } from '../http/input.js'
import { fileName } from '../uploads/file-name.js'
import { contentTypeInput } from '../uploads/operations.js'
import { assertSize, type UploadDescription } from '../uploads/upload.js'

export type OneShotMembers = z.output<typeof oneShotQuery>

/**
 * The members of the query, and of the fields of a form.
 *
 * @throws INVALID_INPUT, also for one that is in both
 */
export function parseMembers(query: object, fields: Readonly<Record<string, string>>): OneShotMembers {
  const both = Object.keys(fields).find((name) => Object.hasOwn(query, name))
  if (both !== undefined) {
    throw new AppError('INVALID_INPUT', `"${both}" is in the query and in the form. Send it once.`)
  }
  return parseInput(oneShotQuery, { ...query, ...fields }, Object.keys(fields).length > 0 ? 'body' : 'query')
}

/** What a form's part says of its file, or the headers of a raw body. */
export interface SaidOfFile {
  filename: string | null
  contentType: string | null
  /** Null when it isn't said. */
  sizeBytes: number | null
}

/**
 * @param packageId the package in the URL, when there is one
 * @throws INVALID_INPUT when the size is another than that of the body, PAYLOAD_TOO_LARGE
 */
export function describeFile(
  members: OneShotMembers,
  said: SaidOfFile,
  packageId: string | null,
  maxFileBytes: number,
): UploadDescription {
  const { size, md5, sha1, sha256 } = members
  if (size !== undefined && said.sizeBytes !== null && size !== said.sizeBytes) {
    throw new AppError(
      'INVALID_INPUT',
      `size is ${size}, but Content-Length ${said.sizeBytes}. Send the whole file, and its size.`,
    )
  }
  const sizeBytes = said.sizeBytes ?? size ?? null
  assertSize(sizeBytes, maxFileBytes)
  return {
    filename: fileName(members.filename ?? said.filename ?? ''),
    contentType: members.content_type?.toLowerCase() ?? mediaType(said.contentType),
    key: members.key ?? null,
    label: members.label ?? null,
    relativePath: members.relative_path ?? null,
    packageId: packageId ?? members.package_id ?? null,
    finish: 'once',
    concat: null,
    tusMetadata: null,
    sizeBytes,
    declared: {
      ...(md5 === undefined ? {} : { md5 }),
      ...(sha1 === undefined ? {} : { sha1 }),
      ...(sha256 === undefined ? {} : { sha256 }),
    },
  }
}

/** What curl says of any --data: nobody sends a form here that wants to be one. */
const SAYS_NOTHING = 'application/x-www-form-urlencoded'

/** As with tus, a type that is none is no reason to refuse a file. */
function mediaType(text: string | null): string | null {
  const type = contentTypeInput.safeParse(text ?? '').data?.toLowerCase() ?? null
  return type?.startsWith(SAYS_NOTHING) ? null : type
}

/** `Prefer: respond-async` (RFC 7240), alone or among others. */
export function prefersAsync(prefer: string | undefined): boolean {
  const preferences = (prefer ?? '').split(',').map((one) => one.split(/[;=]/)[0]?.trim().toLowerCase())
  return preferences.includes('respond-async')
}
