// The routes of sharing, described by the schemas that validate them. Pure.

import { z } from 'zod'
import { OWNER_PATTERN } from '../auth/grant.js'
import { timeAnswer } from '../http/members.js'
import type { Operation } from '../http/operation.js'

const access = z
  .enum(['read', 'write'])
  .describe('`write`: puts files in, takes them out and finalizes, too.')

export const shareParams = z.object({
  id: z.string(),
  grantee: z
    .string()
    .regex(OWNER_PATTERN, 'must be 1 to 128 printable ASCII characters without spaces')
    .describe("A group's name or id, or one person's, as GET /me shows them."),
})

export const shareBody = z.strictObject({ access })

export const shareAnswer = z
  .object({ grantee: z.string(), access, shared_at: timeAnswer })
  .meta({ id: 'PackageShare' })

export const sharesAnswer = z.object({ shares: z.array(shareAnswer) })

const tag = 'Packages'
const onlyId = z.object({ id: z.string() })

export const shareOperations: readonly Operation[] = [
  {
    method: 'get',
    path: '/packages/{id}/shares',
    id: 'listPackageShares',
    tag,
    summary: 'With whom a package is shared',
    description: 'For its owner.',
    scope: 'read',
    params: onlyId,
    answers: { 200: { description: 'All of them', content: { 'application/json': sharesAnswer } } },
    problems: ['NOT_FOUND', 'GONE'],
  },
  {
    method: 'put',
    path: '/packages/{id}/shares/{grantee}',
    id: 'sharePackage',
    tag,
    summary: 'Shares a package with a group or a person',
    description:
      'They see its report, its files with their URLs, its manifest and EML. With `write` they may upload into it by its id (such ' +
      "a file is the uploader's and counts on their quota), delete files from it and finalize it. Events of such a file go to its uploader. Only its owner extends, shares and " +
      'deletes it.',
    scope: 'upload',
    params: shareParams,
    body: { content: { 'application/json': shareBody }, isRequired: true },
    answers: { 200: { description: 'It is shared', content: { 'application/json': shareAnswer } } },
    problems: ['NOT_FOUND', 'GONE', 'CONFLICT'],
  },
  {
    method: 'delete',
    path: '/packages/{id}/shares/{grantee}',
    id: 'unsharePackage',
    tag,
    summary: 'Ends a share',
    description:
      'What was put into the package stays there. Retrieval URLs that were seen go on working until they are renewed.',
    scope: 'upload',
    params: shareParams,
    answers: { 204: { description: 'They reach it no more' } },
    problems: ['NOT_FOUND', 'GONE'],
  },
]
