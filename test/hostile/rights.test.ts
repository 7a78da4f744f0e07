// People who may do something, and want to do more: with a package that is shared with them to be read, with a weak key.

import { hash, randomUUID } from 'node:crypto'
import { expect } from '@jest/globals'
import { z } from 'zod'
import { rowsOf } from '../dialects/tus-client.js'
import type { TestServer } from '../support/server.js'
import {
  anonymous,
  type Case,
  type Expected,
  type Ground,
  hostileGround,
  json,
  signed,
  TUS,
} from './harness.js'

const { table } = hostileGround({ furnish })

interface Person {
  owner: string
  key: string
  scopes: string[]
  groups: string[]
}

/** A member of the group that the package is shared with, to read. */
const GUEST: Person = {
  owner: 'guest',
  key: `ap_${'g'.repeat(27)}`,
  scopes: ['upload', 'read', 'delete'],
  groups: ['lter'],
}
/** The owner's own, and weaker. */
const READER: Person = { owner: 'default', key: `ap_${'r'.repeat(27)}`, scopes: ['read'], groups: [] }

/** What is shared: known once the server has started. */
const shared = { packageId: '', uploadId: '', sha256: '', strongKeyId: randomUUID() }

async function furnish(server: TestServer): Promise<void> {
  const post = async (path: string, headers: Record<string, string>, body: string, method = 'POST') => {
    const answer = await fetch(server.url + path, {
      method,
      headers: { Authorization: `Bearer ${server.key}`, ...headers },
      body,
    })
    expect(answer.ok).toBe(true)
    return answer.json()
  }
  const inJson = { 'Content-Type': 'application/json' }
  const made = await post('/packages', inJson, '{"name":"shared"}')
  shared.packageId = z.object({ id: z.string() }).parse(made).id
  const file = await post(`/packages/${shared.packageId}/files?filename=a.csv`, {}, 'shared bytes')
  const { upload_id: uploadId, file_id: sha256 } = z
    .object({ upload_id: z.string(), file_id: z.string() })
    .parse(file)
  Object.assign(shared, { uploadId, sha256 })
  await post(`/packages/${shared.packageId}/shares/lter`, inJson, '{"access":"read"}', 'PUT')
  const sql = `INSERT INTO api_keys (id, name, prefix, hash, owner, scopes, groups) VALUES ($1, 'k', $2, $3, $4, $5, $6)`
  for (const { owner, key, scopes, groups } of [GUEST, READER]) {
    await rowsOf(server, sql, [randomUUID(), key.slice(0, 8), hash('sha256', key), owner, scopes, groups])
  }
  await rowsOf(server, sql, [
    shared.strongKeyId,
    'ap_strong',
    hash('sha256', 'strong'),
    'default',
    ['admin'],
    [],
  ])
}

const by = ({ key }: { key: string }, line: string, headers: readonly string[] = [], body = '') =>
  anonymous(line, [`Authorization: Bearer ${key}`, ...headers], body)

const JSON_BODY = 'Content-Type: application/json'
const refused = { status: 400, code: 'INVALID_INPUT' } as const
const forbidden = { status: 403, code: 'FORBIDDEN' } as const
const unknown = { status: 404, code: 'NOT_FOUND' } as const

interface Attempt {
  headers?: readonly string[]
  body?: string
  /** Default: forbidden. */
  expected?: Expected
}

/** @param attempt is asked for when it is made: what it is about has no id before */
const guest = (name: string, line: () => string, attempt: () => Attempt = () => ({})): Case => ({
  name,
  ...(attempt().expected ?? forbidden),
  send: () => by(GUEST, line(), attempt().headers, attempt().body),
})

const thePackage = () => `/packages/${shared.packageId}`
const theUpload = () => `/uploads/${shared.uploadId}`
const served = () => ({ expected: { status: 200 } })
/** Not theirs, or not even there: they see it by other ways only. */
const notTheirs: Expected = { status: [403, 404], code: ['FORBIDDEN', 'NOT_FOUND'] }
const offset = [TUS, 'Upload-Offset: 12', 'Content-Type: application/offset+octet-stream']

table('whom a package is shared with, to be read', [
  guest('sees it, so that the rest means something', () => `GET ${thePackage()}`, served),
  guest('sees its files', () => `GET ${thePackage()}/files`, served),
  guest('sees a report', () => `GET ${theUpload()}`, served),
  guest('doesn’t delete it', () => `DELETE ${thePackage()}`),
  guest('doesn’t finalize it', () => `POST ${thePackage()}/finalize`),
  guest(
    'doesn’t extend it',
    () => `POST ${thePackage()}/retention/extensions`,
    () => ({
      headers: [JSON_BODY],
      body: '{"new_expires_at":"2027-06-30T00:00:00Z","reason":"mine"}',
    }),
  ),
  guest(
    'doesn’t put a file in',
    () => `POST ${thePackage()}/files?filename=evil.csv`,
    () => ({ body: 'evil' }),
  ),
  guest(
    'doesn’t put a session in',
    () => 'POST /uploads',
    () => ({
      headers: [JSON_BODY],
      body: JSON.stringify({ filename: 'evil.csv', package_id: shared.packageId }),
    }),
  ),
  guest(
    'doesn’t replace a file by its path',
    () => `POST ${thePackage()}/files?filename=x&relative_path=a.csv`,
    () => ({ body: 'evil' }),
  ),
  guest('doesn’t see whom else it is shared with', () => `GET ${thePackage()}/shares`),
  guest(
    'doesn’t make itself a writer',
    () => `PUT ${thePackage()}/shares/lter`,
    () => ({
      headers: [JSON_BODY],
      body: '{"access":"write"}',
    }),
  ),
  guest(
    'doesn’t share it on',
    () => `PUT ${thePackage()}/shares/guest`,
    () => ({
      headers: [JSON_BODY],
      body: '{"access":"write"}',
    }),
  ),
  guest('doesn’t end the share', () => `DELETE ${thePackage()}/shares/lter`),
  guest('doesn’t delete a file of it', () => `DELETE ${theUpload()}`),
  guest(
    'doesn’t change a file of it',
    () => `PATCH ${theUpload()}`,
    () => ({
      headers: ['Content-Type: application/merge-patch+json'],
      body: '{"note":"evil"}',
    }),
  ),
  guest('doesn’t make a URL dead', () => `POST ${theUpload()}/retrieval-url`),
  guest(
    'doesn’t append',
    () => `PATCH ${theUpload()}`,
    () => ({ headers: offset, body: 'evil' }),
  ),
  guest(
    'doesn’t append by Content-Range',
    () => `PATCH ${theUpload()}`,
    () => ({
      headers: ['Content-Range: bytes 12-15/16'],
      body: 'evil',
    }),
  ),
  guest('doesn’t complete', () => `POST ${theUpload()}/complete`),
  guest(
    'doesn’t move it to a package of its own',
    () => `POST ${theUpload()}/complete`,
    () => ({
      headers: [JSON_BODY],
      body: '{"relative_path":"evil.csv"}',
    }),
  ),
  guest(
    'doesn’t put it into a whole of its own',
    () => 'POST /uploads',
    () => ({
      headers: [TUS, `Upload-Concat: final;${theUpload()}`],
      expected: notTheirs,
    }),
  ),
  guest(
    'doesn’t delete the content',
    () => `DELETE /files/${shared.sha256}`,
    () => ({ expected: notTheirs }),
  ),
])

const share = (name: string, body: string, expected: Expected = refused): Case => ({
  name,
  ...expected,
  send: (g) => signed(g, `PUT ${thePackage()}/shares/other`, [JSON_BODY], body),
})

table('shares', [
  share('nothing', '', { status: [400, 415] }),
  share('no access', '{}'),
  share('an access that there isn’t', '{"access":"admin"}'),
  share('accesses in a list', '{"access":["write"]}'),
  share('another member', '{"access":"read","owner":"guest"}'),
  share('a list', '[]'),
  share('a text', '"write"'),
  share('a prototype', '{"__proto__":{"access":"write"}}'),
  ...['%20', 'a%20b', '%00', 'a%0ab', '%7f', '%c3%a9', 'x'.repeat(129)].map(
    (grantee): Case => ({
      name: `with ${grantee.slice(0, 12)}`,
      ...refused,
      send: (g) => signed(g, `PUT ${thePackage()}/shares/${grantee}`, [JSON_BODY], '{"access":"read"}'),
    }),
  ),
  {
    name: 'of somebody else’s package',
    ...unknown,
    send: (g) =>
      anonymous(`PUT ${thePackage()}/shares/stranger`, [g.stranger, JSON_BODY], '{"access":"write"}'),
  },
  {
    name: 'the end of one that never was',
    ...unknown,
    send: (g) => signed(g, `DELETE ${thePackage()}/shares/x`),
  },
])

const makesKey = (name: string, body: object, expected: Expected = forbidden, maker = READER): Case => ({
  name,
  ...expected,
  send: () => by(maker, 'POST /api-keys', [JSON_BODY], JSON.stringify(body)),
})

table('keys', [
  makesKey('that may upload, by one that may not', { name: 'k', scopes: ['upload'] }),
  makesKey('that may read and upload', { name: 'k', scopes: ['read', 'upload'] }),
  makesKey('of an administrator', { name: 'k', scopes: ['admin'] }),
  makesKey('of an administrator, by a guest', { name: 'k', scopes: ['admin'] }, forbidden, GUEST),
  makesKey('of another owner', { name: 'k', owner: 'default' }, forbidden, GUEST),
  makesKey('of a group that isn’t the maker’s', { name: 'k', groups: ['edi'] }, forbidden, GUEST),
  makesKey('of a group, by one that has none', { name: 'k', scopes: ['read'], groups: ['lter'] }),
  makesKey('of no scopes', { name: 'k', scopes: [] }, refused, GUEST),
  makesKey('of a scope that there isn’t', { name: 'k', scopes: ['root'] }, refused, GUEST),
  makesKey('of a scope as text', { name: 'k', scopes: 'admin' }, refused, GUEST),
  makesKey('with an id of its own', { name: 'k', id: 'x' }, refused, GUEST),
  makesKey('with a key of its own', { name: 'k', key: 'x' }, refused, GUEST),
  makesKey('that has ended', { name: 'k', expires_at: '2000-01-01T00:00:00Z' }, refused, GUEST),
  makesKey('of a name with CR and LF', { name: 'a\r\nb' }, refused, GUEST),
  makesKey('of an owner with a space', { name: 'k', owner: 'a b' }, refused, GUEST),
  {
    name: 'a stronger one, revoked by a weaker',
    ...forbidden,
    send: () => by(READER, `DELETE /api-keys/${shared.strongKeyId}`),
  },
  {
    name: 'somebody else’s, revoked',
    ...unknown,
    send: () => by(GUEST, `DELETE /api-keys/${shared.strongKeyId}`),
  },
])

const reads = (
  name: string,
  line: (g: Ground) => string,
  headers: readonly string[] = [],
  body = '',
): Case => ({
  name,
  ...forbidden,
  check: ({ headers: { 'www-authenticate': challenge } }) =>
    expect(challenge).toContain('error="insufficient_scope"'),
  send: (g) => by(READER, line(g), headers, body),
})

table('a key that may only read', [
  reads('begins no upload', () => 'POST /uploads', [TUS, 'Upload-Length: 1']),
  reads('opens no session', () => 'POST /uploads', [JSON_BODY], '{"filename":"x"}'),
  reads('sends no file', () => 'POST /files?filename=x', [], 'x'),
  reads(
    'appends nothing',
    (g) => `PATCH /uploads/${g.receiving}`,
    [TUS, 'Upload-Offset: 2', offset[2] ?? ''],
    'c',
  ),
  reads('completes nothing', (g) => `POST /uploads/${g.session}/complete`),
  reads(
    'changes nothing',
    (g) => `PATCH /uploads/${g.ready.id}`,
    ['Content-Type: application/merge-patch+json'],
    '{}',
  ),
  reads('makes no URL dead', (g) => `POST /uploads/${g.ready.id}/retrieval-url`),
  reads('deletes nothing', (g) => `DELETE /uploads/${g.canary}`, [TUS]),
  reads('deletes nothing by override', (g) => `POST /uploads/${g.canary}`, [
    TUS,
    'X-HTTP-Method-Override: DELETE',
  ]),
  reads('deletes no content', (g) => `DELETE /files/${g.ready.file_id}`),
  reads('makes no package', () => 'POST /packages', [JSON_BODY], '{"name":"x"}'),
  reads('finalizes nothing', (g) => `POST /packages/${g.openPackage}/finalize`),
  reads('deletes no package', (g) => `DELETE /packages/${g.openPackage}`),
  reads('shares nothing', (g) => `PUT /packages/${g.openPackage}/shares/x`, [JSON_BODY], '{"access":"read"}'),
  reads('makes no webhook', () => 'POST /webhooks', [JSON_BODY], '{"url":"https://example.org/"}'),
])

const nothingOf = (name: string, line: string, headers: readonly string[] = []): Case => ({
  name,
  status: 200,
  check: ({ body }, g) => {
    const text = body.toString()
    const ids = [
      g.ready.id,
      g.receiving,
      g.canary,
      g.session,
      g.openPackage,
      shared.packageId,
      shared.uploadId,
    ]
    expect(ids.filter((id) => text.includes(id))).toEqual([])
  },
  send: (g) => anonymous(line, [g.stranger, ...headers]),
})

table('what a stranger sees of it: nothing', [
  nothingOf('uploads', 'GET /uploads?state=receiving,finalizing,ready,failed,canceled,expired,deleted'),
  nothingOf('uploads by text', 'GET /uploads?q=lake'),
  nothingOf('packages', 'GET /packages?state=open,finalized,expired,deleted'),
  nothingOf('events', 'GET /events?since=0&limit=500', ['Accept: application/json']),
  nothingOf('events in CBOR', 'GET /events?since=0&limit=500'),
  nothingOf('keys', 'GET /api-keys'),
  nothingOf('webhooks', 'GET /webhooks'),
  nothingOf('itself', 'GET /me'),
])

table('who one is', [
  {
    name: 'is said by the credential, and by no header',
    status: 200,
    check: ({ body }) => expect(JSON.parse(body.toString())).toMatchObject({ owner: 'stranger' }),
    send: (g) =>
      anonymous('GET /me', [g.stranger, 'X-Owner: default', 'X-Forwarded-User: default', 'From: default']),
  },
  {
    name: 'is not said by a query',
    status: [200, 400],
    check: ({ status, body }) => {
      if (status === 200) expect(JSON.parse(body.toString())).toMatchObject({ owner: 'stranger' })
    },
    send: (g) => anonymous('GET /me?owner=default&scopes=admin', [g.stranger]),
  },
  { name: 'needs a credential', status: 401, code: 'UNAUTHORIZED', send: () => anonymous('GET /me') },
  {
    name: 'can’t be changed',
    status: 405,
    code: 'METHOD_NOT_ALLOWED',
    send: (g) => json(g, 'PATCH /me', { scopes: ['admin'] }),
  },
  {
    name: 'the sign-in leads nowhere without an IAM',
    ...unknown,
    send: () => anonymous('GET /sign-in/github?target=https://evil.example/'),
  },
])
