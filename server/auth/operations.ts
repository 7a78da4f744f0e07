// The routes of API keys, described by the schemas that validate them. Pure.

import { z } from 'zod'
import { lineOfText, timeInput } from '../http/input.js'
import { timeAnswer } from '../http/members.js'
import type { Operation } from '../http/operation.js'
import { pageAnswer, pageQuery } from '../http/pages.js'
import { MOST_GROUPS, MOST_LIVING_KEYS, OWNER_PATTERN } from './grant.js'
import { scopes } from './identity.js'

const MOST_NAME_BYTES = 100
const scope = z.enum(scopes)

export const apiKeyParams = z.object({ id: z.string() })

export const newApiKeyBody = z.strictObject({
  name: lineOfText(MOST_NAME_BYTES, 1).describe('What the key is for. It need not be unique.'),
  scopes: z
    .array(scope)
    .min(1)
    .max(scopes.length)
    // In one order, each once.
    .transform((wanted) => scopes.filter((one) => wanted.includes(one)))
    .optional()
    .describe('At most those of the credential that makes it; when left out, all of those but `admin`.'),
  groups: z
    .array(z.string().regex(OWNER_PATTERN, 'must be 1 to 128 printable ASCII characters without spaces'))
    .max(MOST_GROUPS)
    .transform((wanted) => [...new Set(wanted)])
    .optional()
    .describe('Groups whose shared packages it reaches: yours, which it also gets when this is left out.'),
  expires_at: timeInput
    .transform((text) => new Date(text))
    .optional()
    .describe('Later than now. When left out: as the key that makes it, or never.'),
  owner: z
    .string()
    .regex(OWNER_PATTERN, 'must be 1 to 128 printable ASCII characters without spaces')
    .optional()
    .describe('Another owner only with the scope `admin`. When left out: yours.'),
})

export const apiKeyQuery = z.strictObject(pageQuery)

const keyMembers = {
  id: z.string(),
  prefix: z.string().describe('How the key begins, to tell it from others.'),
  name: z.string(),
  owner: z.string(),
  scopes: z.array(scope),
  groups: z.array(z.string()),
  state: z.enum(['active', 'expired', 'revoked']),
  created_at: timeAnswer,
  expires_at: timeAnswer.nullable(),
  revoked_at: timeAnswer.nullable(),
}

export const apiKeyAnswer = z.object(keyMembers).meta({ id: 'ApiKey' })

export const newApiKeyAnswer = z
  .object({
    ...keyMembers,
    key: z.string().describe('The only time that it is shown: what is stored is its SHA-256.'),
  })
  .meta({ id: 'NewApiKey' })

/** Where a page ended. */
export const apiKeyCursor = z.tuple([z.literal('api-keys'), timeInput, z.uuid()])

export const apiKeyOperations: readonly Operation[] = [
  {
    method: 'post',
    path: '/api-keys',
    id: 'createApiKey',
    tag: 'API keys',
    summary: 'Makes a key',
    description:
      "For yourself, with at most the scopes of the credential that asks, and until that one's end at most; `admin` may make any " +
      `key for any owner. An owner has at most ${MOST_LIVING_KEYS} keys that are neither expired nor revoked. Keys that a key has ` +
      'made stay when it is revoked. The keys of the configuration make keys for their owner, too.',
    scope: 'upload',
    body: { content: { 'application/json': newApiKeyBody }, isRequired: true },
    answers: {
      201: {
        description: 'The key, shown once',
        headers: { Location: 'Its URL', 'Cache-Control': 'no-store' },
        content: { 'application/json': newApiKeyAnswer },
      },
    },
    problems: ['CONFLICT'],
  },
  {
    method: 'get',
    path: '/api-keys',
    id: 'listApiKeys',
    tag: 'API keys',
    summary: 'Your keys, newest first',
    description:
      'Those that ended, too; without the keys themselves. `admin` sees all. Keys of the configuration are not among them.',
    scope: 'read',
    query: apiKeyQuery,
    answers: {
      200: {
        description: 'A page',
        headers: { Link: 'The next page, rel="next"' },
        content: { 'application/json': pageAnswer(apiKeyAnswer) },
      },
    },
    problems: [],
  },
  {
    method: 'get',
    path: '/api-keys/{id}',
    id: 'getApiKey',
    tag: 'API keys',
    summary: 'One key, without the key itself',
    scope: 'read',
    params: apiKeyParams,
    answers: { 200: { description: 'The key', content: { 'application/json': apiKeyAnswer } } },
    problems: ['NOT_FOUND'],
  },
  {
    method: 'delete',
    path: '/api-keys/{id}',
    id: 'revokeApiKey',
    tag: 'API keys',
    summary: 'Revokes a key',
    description:
      'From the answer on this instance refuses it, and every other one within 5 seconds. One of yours that may do no more than ' +
      'the credential that asks; a key may revoke itself, whatever its scopes. A second time changes nothing. It stays in the list.',
    scope: 'upload',
    params: apiKeyParams,
    answers: { 204: { description: 'It is revoked' } },
    problems: ['NOT_FOUND'],
  },
]
