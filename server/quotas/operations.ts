// What GET /me answers. Pure.

import { z } from 'zod'
import { scopes } from '../auth/identity.js'
import { timeAnswer } from '../http/members.js'
import type { Operation } from '../http/operation.js'

const count = z.int().nonnegative()
const limit = count.nullable().describe('Null: none.')
const rate = z.object({ requests: count, window_seconds: count }).nullable().describe('Null: none.')

export const meAnswer = z
  .object({
    owner: z.string().describe('Whose uploads and packages these are.'),
    aliases: z.array(z.string()).describe('Other names of the same person: what they own is yours, too.'),
    groups: z.array(z.string()).describe('You reach the packages that are shared with these.'),
    scopes: z.array(z.enum(scopes)),
    key_id: z.string().nullable().describe('The API key that you came with, if it is one of ours.'),
    expires_at: timeAnswer.nullable().describe('When the credential ends; null: not by itself.'),
    usage: z.object({
      bytes: count.describe('Of unfinished uploads what they announced.'),
      files: count,
      open_uploads: count.describe('Not finished yet.'),
    }),
    limits: z.object({
      bytes: limit,
      files: limit,
      open_uploads: limit,
      file_bytes: count.describe('The largest file that is taken.'),
      rate,
    }),
  })
  .meta({ id: 'Me' })

export const meOperations: readonly Operation[] = [
  {
    method: 'get',
    path: '/me',
    id: 'getMe',
    tag: 'API keys',
    summary: 'Who you are here, what you may do, what you have and may have',
    description: 'With any credential, whatever its scopes.',
    scope: 'any',
    answers: { 200: { description: 'You', content: { 'application/json': meAnswer } } },
    problems: [],
  },
]
