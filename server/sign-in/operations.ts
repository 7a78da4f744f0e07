// How people sign in from a browser, described by the schemas that validate it. Pure.

import { z } from 'zod'
import type { Operation } from '../http/operation.js'

/** Whom the IAM knows people by: the last part of its login's path, and the name that people know. */
export const PROVIDERS = [
  { id: 'github', name: 'GitHub' },
  { id: 'google', name: 'Google' },
  { id: 'microsoft', name: 'Microsoft' },
  { id: 'orcid', name: 'ORCID' },
  { id: 'pasta', name: 'EDI (PASTA)' },
] as const

export const signInParams = z.object({ provider: z.string() })

const keyMethod = z
  .object({ type: z.literal('api_key'), name: z.string() })
  .describe('A key is pasted into the page.')

const redirectMethod = z
  .object({
    type: z.literal('redirect'),
    provider: z.enum(PROVIDERS.map(({ id }) => id)),
    name: z.string().describe('For people to read.'),
    url: z.string().describe('Where the browser is sent.'),
  })
  .describe('The browser goes to the IAM and comes back with a token.')

export const signInAnswer = z
  .object({ methods: z.array(z.discriminatedUnion('type', [keyMethod, redirectMethod])) })
  .meta({ id: 'SignIn' })

const tag = 'API keys'

export const signInOperations: readonly Operation[] = [
  {
    method: 'get',
    path: '/sign-in',
    id: 'listSignInMethods',
    tag,
    summary: 'How people sign in to the page',
    scope: null,
    answers: {
      200: {
        description: 'The ways, in the order in which they are to be offered',
        headers: { 'Cache-Control': 'no-store' },
        content: { 'application/json': signInAnswer },
      },
    },
    problems: [],
  },
  {
    method: 'get',
    path: '/sign-in/{provider}',
    id: 'signIn',
    tag,
    summary: 'Sends a browser to the IAM, to come back with a token',
    description:
      'It comes back to the page of this server, and nowhere else, with the token in `edi_token` of its query.',
    scope: null,
    params: signInParams,
    answers: {
      302: {
        description: 'To the IAM',
        headers: { Location: "The IAM's sign-in", 'Cache-Control': 'no-store' },
      },
    },
    problems: ['NOT_FOUND'],
  },
]
