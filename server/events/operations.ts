// What GET /events understands and answers. Pure.

import { z } from 'zod'
import { countInQuery } from '../http/input.js'
import type { Operation } from '../http/operation.js'
import { API_KEY_EVENTS, PACKAGE_EVENTS, UPLOAD_EVENTS } from './event.js'

export const CBOR = 'application/cbor'
export const JSON_TYPE = 'application/json'
export const EVENT_STREAM = 'text/event-stream'

/** The first one is for whoever takes anything. */
export const EVENT_FORMATS = [CBOR, JSON_TYPE, EVENT_STREAM] as const

const MOST_EVENTS = 1000
const EVENTS_BY_DEFAULT = 100
const MOST_WAIT_SECONDS = 60

/** In place of a sequence: the newest there is. */
export const LATEST = 'latest'

export const eventsQuery = z.strictObject({
  since: z
    .string()
    // As many digits as a number can be trusted with.
    .regex(/^(latest|\d{1,15})$/, `must be a whole number, or "${LATEST}"`)
    .transform((text) => (text === LATEST ? LATEST : Number(text)))
    .default(0)
    .describe(
      `The last sequence you have: events behind it are answered. \`${LATEST}\`: only what happens from now on; \`next\`, and the ` +
        'first `id` of a stream, say where that begins.',
    ),
  limit: countInQuery(1, MOST_EVENTS, EVENTS_BY_DEFAULT).describe('Of a stream: without meaning.'),
  wait: countInQuery(0, MOST_WAIT_SECONDS, 0).describe(
    'Seconds to wait for the first event when there is none. Of a stream: without meaning.',
  ),
})

export const eventsHeaders = z.object({
  'last-event-id': z
    .string()
    .regex(/^\d{1,15}$/, 'must be the id of an event of this stream')
    .transform(Number)
    .optional()
    .describe('Of a stream: stands for `since`, and wins over it. EventSource sends it when it reconnects.'),
})

const common = {
  sequence: z.int().positive(),
  at: z.iso.datetime(),
  owner: z.string(),
}
const expiresAt = z.iso.datetime().nullable()
const by = z
  .object({ owner: z.string(), key_id: z.string().nullable(), request_id: z.string().nullable() })
  .nullable()
  .describe('Who asked for it, where somebody did: for what is deleted, extended, shared, and for keys.')

const uploadEvent = z.object({
  ...common,
  type: z.enum(namesOf(UPLOAD_EVENTS)),
  upload_id: z.string(),
  package_id: z.string().nullable(),
  data: z.object({
    state: z.string(),
    filename: z.string().nullable(),
    label: z.string().nullable(),
    relative_path: z.string().nullable(),
    size: z.int().nonnegative().nullable(),
    sha256: z.string().nullable(),
    expires_at: expiresAt,
    error: z.string().nullable(),
    by,
  }),
})

const packageEvent = z.object({
  ...common,
  type: z.enum(namesOf(PACKAGE_EVENTS)),
  upload_id: z.null(),
  package_id: z.string(),
  data: z.object({
    state: z.string(),
    name: z.string(),
    label: z.string().nullable(),
    expires_at: expiresAt,
    manifest_sha256: z.string().nullable(),
    grantee: z.string().nullable(),
    access: z.enum(['read', 'write']).nullable(),
    by,
  }),
})

const apiKeyEvent = z.object({
  ...common,
  type: z.enum(namesOf(API_KEY_EVENTS)),
  upload_id: z.null(),
  package_id: z.null(),
  data: z.object({
    key_id: z.string(),
    name: z.string(),
    prefix: z.string(),
    scopes: z.array(z.string()),
    expires_at: expiresAt,
    by,
  }),
})

export const eventSchema = z
  .discriminatedUnion('type', [uploadEvent, packageEvent, apiKeyEvent])
  .meta({ id: 'Event' })

export const eventsAnswer = z
  .object({
    events: z.array(eventSchema),
    next: z.int().nonnegative().describe('The `since` of the next request.'),
  })
  .meta({ id: 'EventPage' })

const meanings = Object.entries({ ...UPLOAD_EVENTS, ...PACKAGE_EVENTS, ...API_KEY_EVENTS }).map(
  ([type, meaning]) => `- \`${type}\`: ${meaning}`,
)

const description = `In the order that every reader sees, whichever instance answers. A consumer that begins at 0 and always goes on from
\`next\` misses none and gets none twice. Sequences grow, with gaps. An owner gets its own events, an administrator everybody's. They are kept for EVENT_TTL, a year by default.

\`Accept\` chooses: \`${CBOR}\` (RFC 8949, deterministic; the default), \`${JSON_TYPE}\`, or \`${EVENT_STREAM}\`, which goes on until
one side ends it: \`id\` is the sequence, \`event\` the type, \`data\` the event as JSON, a comment every 15 seconds keeps it alive.
It opens with an \`id\` alone, the sequence that it begins behind: whoever loses it before the first event goes on from there.
Whoever doesn't take what was sent within a minute is cut off, and reconnects where it was.

HEAD answers as GET does, without waiting.

New types may come, and new members. What there is:

${meanings.join('\n')}`

export const eventOperations: readonly Operation[] = [
  {
    method: 'get',
    path: '/events',
    id: 'readEvents',
    tag: 'Events',
    summary: 'What has happened',
    description,
    scope: 'read',
    query: eventsQuery,
    headers: eventsHeaders,
    answers: {
      200: {
        description:
          'The events behind `since`, as many as `limit`; none when there are none after `wait` seconds.',
        content: {
          [CBOR]: eventsAnswer,
          [JSON_TYPE]: eventsAnswer,
          [EVENT_STREAM]: z.string().describe('Server-Sent Events, as the HTML standard has them.'),
        },
      },
    },
    problems: ['NOT_ACCEPTABLE'],
  },
]

/** The keys of a record, as the type that they have. */
function namesOf<Name extends string>(meanings: Readonly<Record<Name, string>>): Name[] {
  return Object.keys(meanings) as Name[] // Literal objects: they have no others.
}
