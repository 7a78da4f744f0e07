// Packages that are shared: who may do what with them and their files, and whose what becomes.

import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { operations } from '../../server/openapi.js'
import { NOBODY } from '../openapi/cases.js'
import type { Answer } from '../openapi/described.js'
import type { Ask } from '../openapi/exchange.js'
import { startServer, type TestServer } from '../support/server.js'
import { codeOf, EVERYTHING, jsonOf, type Keys, keysOf, type Person, rowsOf } from './ground.js'

const TUS = { 'Tus-Resumable': '1.0.0' }
const OFFSET_STREAM = { ...TUS, 'Content-Type': 'application/offset+octet-stream' }
const JSON_TYPE = { 'Content-Type': 'application/json' }
const ACTORS = ['owner', 'writer', 'reader', 'named', 'stranger', 'admin'] as const
type Actor = (typeof ACTORS)[number]

let server: TestServer
let keys: Keys
let people: Record<Actor, Person>

beforeAll(async () => {
  server = await startServer()
  keys = await keysOf(server)
  people = {
    owner: await keys.make('the-owner'),
    writer: await keys.make('the-writer', EVERYTHING, { groups: ['writers', 'both'] }),
    reader: await keys.make('the-reader', EVERYTHING, { groups: ['both', 'readers'] }),
    // Shared with by their own name, for reading.
    named: await keys.make('the-person'),
    stranger: await keys.make('the-stranger', EVERYTHING, { groups: ['strangers'] }),
    admin: await keys.make('the-admin', ['admin']),
  }
})

afterAll(async () => {
  await keys?.close()
  await server?.dispose()
})

interface Shared {
  /** Open, with the files below. */
  open: string
  finalized: string
  /** Ready, the owner's, in `open`. */
  file: string
  sha256: string
  /** A session of three bytes of the owner's, in `open`. */
  session: string
  tus: string
}

let count = 0

/** Packages of the owner's, shared with all but the stranger. */
async function aSharedPackage(): Promise<Shared> {
  const { owner } = people
  count += 1
  const number = count
  const shareIt = async (id: string) => {
    await owner.share(id, 'writers', 'write')
    await owner.share(id, 'readers', 'read')
    await owner.share(id, 'the-person', 'read')
  }
  const [open, finalized] = [await owner.makePackage(), await owner.makePackage()]
  await shareIt(open)
  await shareIt(finalized)
  const file = await owner.put(`/packages/${open}/files?filename=f.csv`, `file ${number}`)
  await owner.put(`/packages/${finalized}/files?filename=f.csv`, `frozen ${number}`)
  await owner.send({ method: 'POST', target: `/packages/${finalized}/finalize` })
  const session = await owner.json('POST', '/uploads', { filename: 's.csv', size: 3, package_id: open })
  const tus = await owner.send({
    method: 'POST',
    target: '/uploads',
    headers: {
      ...TUS,
      'Upload-Length': '3',
      'Upload-Metadata': metadata({ packageId: open, filename: 't' }),
    },
  })
  return {
    open,
    finalized,
    file: file.upload_id,
    sha256: sha256(`file ${number}`),
    session: jsonOf<{ id: string }>(session).id,
    tus: String(tus.headers.location).split('/').at(-1) ?? '',
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function metadata(values: Record<string, string>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${btoa(value)}`)
    .join(',')
}

type Statuses = Record<'owner' | 'writer' | 'reader' | 'stranger', number>

interface Row extends Statuses {
  /** Of the operation. */
  id: string
  about?: string
  ask: (shared: Shared) => Ask
}

const get = (target: (shared: Shared) => string, headers: Record<string, string> = {}) => {
  return (shared: Shared): Ask => ({ method: 'GET', target: target(shared), headers })
}
const head = (target: (shared: Shared) => string, headers: Record<string, string> = {}) => {
  return (shared: Shared): Ask => ({ method: 'HEAD', target: target(shared), headers })
}
const json = (method: string, target: (shared: Shared) => string, body: unknown) => (shared: Shared) => ({
  method,
  target: target(shared),
  headers: JSON_TYPE,
  body: JSON.stringify(body),
})

const seen: Statuses = { owner: 200, writer: 200, reader: 200, stranger: 404 }
const written = (status: number): Statuses => {
  return { owner: status, writer: status, reader: 403, stranger: 404 }
}
const owned = (status: number): Statuses => ({ owner: status, writer: 403, reader: 403, stranger: 404 })

const EML =
  '<eml:eml xmlns:eml="https://eml.ecoinformatics.org/eml-2.2.0" packageId="a.1.1" system="s"><dataset/></eml:eml>'

const ROWS: readonly Row[] = [
  // ---- Seen by everybody whom it is shared with
  { id: 'getPackage', ...seen, ask: get(({ open }) => `/packages/${open}`) },
  { id: 'listPackageFiles', ...seen, ask: get(({ open }) => `/packages/${open}/files`) },
  { id: 'getPackageManifest', ...seen, ask: get(({ finalized }) => `/packages/${finalized}/manifest`) },
  { id: 'headPackageManifest', ...seen, ask: head(({ finalized }) => `/packages/${finalized}/manifest`) },
  {
    id: 'getPackageManifestJson',
    ...seen,
    ask: get(({ finalized }) => `/packages/${finalized}/manifest.json`),
  },
  {
    id: 'headPackageManifestJson',
    ...seen,
    ask: head(({ finalized }) => `/packages/${finalized}/manifest.json`),
  },
  { id: 'getPackageEml', ...seen, ask: get(({ open }) => `/packages/${open}/eml`) },
  {
    id: 'patchEml',
    ...seen,
    ask: ({ open }) => ({
      method: 'POST',
      target: `/eml?package_id=${open}`,
      headers: { 'Content-Type': 'application/xml' },
      body: EML,
    }),
  },
  { id: 'getUpload', ...seen, ask: get(({ file }) => `/uploads/${file}`) },
  { id: 'getUpload', about: 'unfinished', ...seen, ask: get(({ session }) => `/uploads/${session}`) },
  { id: 'getUploadEml', ...seen, ask: get(({ file }) => `/uploads/${file}/eml`) },
  { id: 'getFile', ...seen, ask: get(({ sha256 }) => `/files/${sha256}`) },
  { id: 'headFile', ...seen, ask: head(({ sha256 }) => `/files/${sha256}`) },
  { id: 'getFileInfo', ...seen, ask: get(({ sha256 }) => `/files/${sha256}/info`) },
  { id: 'downloadFile', ...seen, ask: get(({ sha256 }) => `/files/${sha256}/download`) },
  // ---- For those who may write
  {
    id: 'createFileInPackage',
    ...written(201),
    ask: ({ open }) => ({ method: 'POST', target: `/packages/${open}/files?filename=n.csv`, body: 'new' }),
  },
  {
    id: 'createFileInPackage',
    about: 'a form',
    ...written(201),
    ask: ({ open }) => form(`/packages/${open}/files`, {}),
  },
  {
    id: 'createFile',
    ...written(201),
    ask: ({ open }) => ({ method: 'POST', target: `/files?filename=n.csv&package_id=${open}`, body: 'new' }),
  },
  {
    id: 'createFile',
    about: 'a form',
    ...written(201),
    ask: ({ open }) => form('/files', { package_id: open }),
  },
  {
    id: 'createUpload',
    about: 'a session',
    ...written(201),
    ask: ({ open }) => json('POST', () => '/uploads', { filename: 'n.csv', package_id: open })(NO_SHARED),
  },
  {
    id: 'createUpload',
    about: 'tus',
    ...written(201),
    ask: ({ open }) => ({
      method: 'POST',
      target: '/uploads',
      headers: { ...TUS, 'Upload-Length': '3', 'Upload-Metadata': metadata({ packageId: open }) },
    }),
  },
  {
    id: 'createUpload',
    about: 'tus, with its bytes',
    ...written(201),
    ask: ({ open }) => ({
      method: 'POST',
      target: '/uploads',
      headers: { ...OFFSET_STREAM, 'Upload-Length': '3', 'Upload-Metadata': metadata({ packageId: open }) },
      body: 'abc',
    }),
  },
  {
    id: 'deleteUpload',
    ...written(204),
    ask: ({ file }) => ({ method: 'DELETE', target: `/uploads/${file}` }),
  },
  {
    id: 'deleteUpload',
    about: 'unfinished',
    ...written(204),
    ask: ({ session }) => ({ method: 'DELETE', target: `/uploads/${session}` }),
  },
  {
    id: 'deleteUpload',
    about: 'so that it can be restored',
    ...written(200),
    ask: ({ file }) => ({ method: 'DELETE', target: `/uploads/${file}?undo_seconds=60` }),
  },
  {
    id: 'restoreUpload',
    ...written(200),
    ask: ({ file }) => ({ method: 'POST', target: `/uploads/${file}/restore` }),
  },
  // ---- For its owner alone
  { id: 'getReceived', ...owned(200), ask: get(({ session }) => `/uploads/${session}/received`) },
  {
    id: 'extendPackage',
    ...owned(201),
    ask: json('POST', ({ open }) => `/packages/${open}/retention/extensions`, {
      new_expires_at: new Date(Date.now() + 100 * 86_400_000).toISOString(),
      reason: 'r',
    }),
  },
  {
    id: 'deletePackage',
    ...owned(204),
    ask: ({ open }) => ({ method: 'DELETE', target: `/packages/${open}` }),
  },
  { id: 'listPackageShares', ...owned(200), ask: get(({ open }) => `/packages/${open}/shares`) },
  {
    id: 'sharePackage',
    ...owned(200),
    ask: json('PUT', ({ open }) => `/packages/${open}/shares/strangers`, { access: 'write' }),
  },
  {
    id: 'sharePackage',
    about: 'for more, with one’s own group',
    ...owned(200),
    ask: json('PUT', ({ open }) => `/packages/${open}/shares/readers`, { access: 'write' }),
  },
  {
    id: 'unsharePackage',
    ...owned(204),
    ask: ({ open }) => ({ method: 'DELETE', target: `/packages/${open}/shares/readers` }),
  },
  {
    id: 'appendOrChange',
    about: 'details',
    ...owned(200),
    ask: ({ file }) => ({
      method: 'PATCH',
      target: `/uploads/${file}`,
      headers: { 'Content-Type': 'application/merge-patch+json' },
      body: '{"note":"n"}',
    }),
  },
  {
    id: 'appendOrChange',
    about: 'bytes by Content-Range',
    ...owned(200),
    ask: ({ session }) => ({
      method: 'PATCH',
      target: `/uploads/${session}`,
      headers: { 'Content-Range': 'bytes 0-2/3' },
      body: 'abc',
    }),
  },
  {
    id: 'appendOrChange',
    about: 'bytes by tus',
    ...owned(204),
    ask: ({ tus }) => ({
      method: 'PATCH',
      target: `/uploads/${tus}`,
      headers: { ...OFFSET_STREAM, 'Upload-Offset': '0' },
      body: 'abc',
    }),
  },
  { id: 'getUploadOffset', ...owned(200), ask: head(({ tus }) => `/uploads/${tus}`, TUS) },
  {
    id: 'completeUpload',
    ...owned(409),
    ask: ({ session }) => ({ method: 'POST', target: `/uploads/${session}/complete` }),
  },
  {
    id: 'completeUpload',
    about: 'to another place',
    ...owned(200),
    ask: json('POST', ({ file }) => `/uploads/${file}/complete`, { relative_path: 'elsewhere.csv' }),
  },
  {
    id: 'renewRetrievalUrl',
    ...owned(200),
    ask: ({ file }) => ({ method: 'POST', target: `/uploads/${file}/retrieval-url` }),
  },
  {
    id: 'deleteFile',
    about: 'whoever has none of their own with that content has nothing to delete',
    ...{ owner: 204, writer: 404, reader: 404, stranger: 404 },
    ask: ({ sha256 }) => ({ method: 'DELETE', target: `/files/${sha256}` }),
  },
  {
    id: 'finalizePackage',
    // Its unfinished uploads are in the way: whoever hears of them may finalize.
    ...written(409),
    ask: ({ open }) => ({ method: 'POST', target: `/packages/${open}/finalize` }),
  },
  {
    id: 'finalizePackage',
    about: 'again',
    ...written(200),
    ask: ({ finalized }) => ({ method: 'POST', target: `/packages/${finalized}/finalize` }),
  },
  // ---- One's own, whatever is shared
  {
    id: 'createPackage',
    ...{ owner: 201, writer: 201, reader: 201, stranger: 201 },
    ask: json('POST', () => '/packages', { name: 'p' }),
  },
  {
    id: 'listPackages',
    ...{ owner: 200, writer: 200, reader: 200, stranger: 200 },
    ask: get(() => '/packages'),
  },
  {
    id: 'listUploads',
    ...{ owner: 200, writer: 200, reader: 200, stranger: 200 },
    ask: get(({ open }) => `/uploads?package_id=${open}`),
  },
]

const NO_SHARED: Shared = {
  ...{ open: NOBODY, finalized: NOBODY, file: NOBODY, sha256: '', session: NOBODY, tus: NOBODY },
}

function form(target: string, fields: Record<string, string>): Ask {
  const parts = Object.entries(fields).map(
    ([name, value]) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  )
  const file = 'Content-Disposition: form-data; name="file"; filename="form.csv"\r\n\r\nform'
  return {
    method: 'POST',
    target,
    headers: { 'Content-Type': 'multipart/form-data; boundary=b' },
    body: `${parts.join('')}--b\r\n${file}\r\n--b--\r\n`,
  }
}

describe('a shared package', () => {
  test('every operation on packages, uploads and files has a row', () => {
    const ours = operations.filter(
      ({ scope, path }) => scope !== null && /^\/(packages|uploads|files|eml)/.test(path),
    )
    const asked = new Set(ROWS.map(({ id }) => id))
    expect(ours.map(({ id }) => id).filter((id) => !asked.has(id))).toEqual([])
  })

  test.each(ROWS.map((row) => [row.id, row.about ?? '', row] as const))('%s %s', async (id, _, row) => {
    // An administrator may all, but for what is about one's own content; whom it is shared with by name reads.
    const expected: Record<Actor, number> = {
      ...row,
      named: row.reader,
      admin: id === 'deleteFile' ? 404 : row.owner,
    }
    const asked = ACTORS.map(async (actor) => {
      const answer = await people[actor].send(row.ask(await aSharedPackage()))
      if (answer.status === 403 && answer.body.byteLength > 0) {
        expect({ actor, code: codeOf(answer) }).toEqual({ actor, code: 'FORBIDDEN' })
        // It isn't the credential that lacks something.
        expect(answer.headers['www-authenticate']).toBeUndefined()
      }
      return [actor, answer.status] as const
    })
    const statuses = Object.fromEntries(await Promise.all(asked))
    expect(statuses).toEqual(Object.fromEntries(ACTORS.map((actor) => [actor, expected[actor]])))
  })

  test('what its reader is refused has changed nothing', async () => {
    const shared = await aSharedPackage()
    const dump = () =>
      rowsOf(server, 'SELECT * FROM uploads WHERE package_id = $1 ORDER BY id', [shared.open])
    const before = await dump()
    for (const row of ROWS) if (row.reader === 403) await people.reader.send(row.ask(shared))
    expect(await dump()).toEqual(before)
    expect(await people.owner.get(`/packages/${shared.open}`)).toMatchObject({ state: 'open' })
  })

  test('is in the lists of those who reach it, with its files, and in nobody else’s', async () => {
    const { open, finalized } = await aSharedPackage()
    const found = async (who: Person, target: string) =>
      (await who.get<{ items: { id: string }[] }>(target)).items.map(({ id }) => id)
    for (const actor of ACTORS) {
      const isReached = actor !== 'stranger'
      const packages = await found(people[actor], '/packages?limit=100')
      expect({ actor, has: [packages.includes(open), packages.includes(finalized)] }).toEqual({
        actor,
        has: [isReached, isReached],
      })
      expect(await found(people[actor], `/uploads?package_id=${open}`)).toHaveLength(isReached ? 3 : 0)
    }
    // Among one's own uploads are only one's own.
    expect(await found(people.reader, '/uploads')).toEqual([])
  })
})

describe('what somebody puts into a package of another', () => {
  const dialects: readonly (readonly [string, (who: Person, open: string) => Promise<Answer>])[] = [
    ['POST /packages/{id}/files', (who, open) => sendFile(who, `/packages/${open}/files?filename=w`)],
    ['POST /files', (who, open) => sendFile(who, `/files?filename=w&package_id=${open}`)],
    ['a form', (who, open) => who.send(form('/files', { package_id: open }))],
    [
      'tus, with its bytes',
      (who, open) =>
        who.send({
          method: 'POST',
          target: '/uploads',
          headers: {
            ...OFFSET_STREAM,
            'Upload-Length': '5',
            'Upload-Metadata': metadata({ packageId: open }),
          },
          body: 'bytes',
        }),
    ],
    ['a session', (who, open) => bySession(who, { filename: 'w', size: 5, package_id: open }, undefined)],
    [
      'a session, at its end',
      (who, open) => bySession(who, { filename: 'w', size: 5 }, { package_id: open }),
    ],
  ]

  function sendFile(who: Person, target: string): Promise<Answer> {
    return who.send({ method: 'POST', target, headers: { 'Content-Type': 'text/csv' }, body: 'bytes' })
  }

  async function bySession(who: Person, begin: object, complete: object | undefined): Promise<Answer> {
    const begun = await who.json('POST', '/uploads', begin)
    const { id } = jsonOf<{ id: string }>(begun)
    await who.send({
      method: 'PATCH',
      target: `/uploads/${id}`,
      headers: { 'Content-Range': 'bytes 0-4/5' },
      body: 'bytes',
    })
    const completed = await who.json('POST', `/uploads/${id}/complete`, complete ?? {})
    jsonOf(completed)
    return begun
  }

  test.each(dialects)('by %s is theirs, and counts as theirs', async (_, put) => {
    const { writer, owner, reader, stranger } = people
    const open = await owner.makePackage()
    await owner.share(open, 'writers', 'write')
    await owner.share(open, 'readers', 'read')
    const usageOf = async (who: Person) => (await who.get<{ usage: { files: number } }>('/me')).usage.files
    const before = { writer: await usageOf(writer), owner: await usageOf(owner) }
    const answer = await put(writer, open)
    expect(answer.status).toBe(201)
    const id = String(answer.headers.location).split('/').at(-1)
    const rows = await rowsOf<{ owner: string; package_id: string }>(
      server,
      'SELECT owner, package_id FROM uploads WHERE id = $1',
      [id],
    )
    expect(rows).toEqual([{ owner: 'the-writer', package_id: open }])
    expect(await usageOf(writer)).toBe(before.writer + 1)
    expect(await usageOf(owner)).toBe(before.owner)
    // Seen by all who reach the package.
    const statuses = await Promise.all(
      [owner, writer, reader, stranger].map(
        async (who) => (await who.send({ method: 'GET', target: `/uploads/${id}` })).status,
      ),
    )
    expect(statuses).toEqual([200, 200, 200, 404])
    const file = await reader.get<{ items: { id: string }[] }>(`/packages/${open}/files`)
    expect(file.items.map((one) => one.id)).toEqual([id])

    // Its owner may finalize it with that file in it, and deleting the package ends the file.
    expect((await owner.send({ method: 'POST', target: `/packages/${open}/finalize` })).status).toBe(200)
    const kept = await writer.send({ method: 'DELETE', target: `/uploads/${id}` })
    expect(codeOf(kept)).toBe('PACKAGE_FINALIZED')
    expect((await owner.send({ method: 'DELETE', target: `/packages/${open}` })).status).toBe(204)
    expect(await writer.get(`/uploads/${id}`)).toMatchObject({ state: 'deleted' })
    expect(await usageOf(writer)).toBe(before.writer)
    const told = await writer.get<{ events: { type: string; upload_id: string; data: object }[] }>(
      '/events?limit=1000',
    )
    const end = told.events.find((event) => event.upload_id === id && event.type === 'upload.deleted.v1')
    expect(end?.data).toMatchObject({ by: { owner: 'the-owner', key_id: expect.any(String) } })
  })

  test('the package’s owner deletes it, and the writer deletes what the owner put there', async () => {
    const { writer, owner } = people
    const { open, file } = await aSharedPackage()
    const { upload_id: theirs } = await writer.put(`/packages/${open}/files?filename=w.csv`, 'w')
    expect((await owner.send({ method: 'DELETE', target: `/uploads/${theirs}` })).status).toBe(204)
    expect((await writer.send({ method: 'DELETE', target: `/uploads/${file}` })).status).toBe(204)
    const rows = await rowsOf(server, 'SELECT id, owner, state FROM uploads WHERE id = ANY($1)', [
      [file, theirs],
    ])
    expect(rows).toEqual(
      expect.arrayContaining([
        { id: file, owner: 'the-owner', state: 'deleted' },
        { id: theirs, owner: 'the-writer', state: 'deleted' },
      ]),
    )
  })

  test('nobody else writes its bytes: neither the package’s owner nor another writer', async () => {
    const { owner, writer } = people
    const other = await keys.make('another-writer', EVERYTHING, { groups: ['writers'] })
    const { open } = await aSharedPackage()
    const begun = await writer.json('POST', '/uploads', { filename: 'w.csv', size: 5, package_id: open })
    const { id } = jsonOf<{ id: string }>(begun)
    for (const who of [owner, other]) {
      const byRange = await who.send({
        method: 'PATCH',
        target: `/uploads/${id}`,
        headers: { 'Content-Range': 'bytes 0-4/5' },
        body: 'evil!',
      })
      const byTus = await who.send({
        method: 'PATCH',
        target: `/uploads/${id}`,
        headers: { ...OFFSET_STREAM, 'Upload-Offset': '0' },
        body: 'evil!',
      })
      const complete = await who.send({ method: 'POST', target: `/uploads/${id}/complete` })
      expect([byRange, byTus, complete].map(({ status }) => status)).toEqual([403, 403, 403])
    }
    const rows = await rowsOf(server, 'SELECT offset_bytes, lease_epoch FROM uploads WHERE id = $1', [id])
    expect(rows).toEqual([{ offset_bytes: '0', lease_epoch: '0' }])
  })

  test('a path that is taken by another’s upload is refused, and names it', async () => {
    const { open, file } = await aSharedPackage()
    const answer = await people.writer.send({
      method: 'POST',
      target: `/packages/${open}/files?filename=f.csv`,
      body: 'mine',
    })
    expect(answer.status).toBe(409)
    expect(JSON.parse(answer.body.toString())).toMatchObject({ details: { upload_id: file } })
  })

  test('a label joins a package of one’s own, never one that is shared', async () => {
    const { owner, writer } = people
    const theirs = await owner.makePackage({ label: 'the same label' })
    await owner.share(theirs, 'writers', 'write')
    const { upload_id: id } = await writer.put('/files?filename=a.csv&label=the%20same%20label', 'labelled')
    const { package_id: own } = await writer.get<{ package_id: string }>(`/uploads/${id}`)
    expect(own).not.toBe(theirs)
    expect(await rowsOf(server, 'SELECT owner FROM packages WHERE id = $1', [own])).toEqual([
      { owner: 'the-writer' },
    ])
    // Relabelled, a file leaves the package that is shared for one of its owner's.
    const { upload_id: there } = await writer.put(`/packages/${theirs}/files?filename=b.csv`, 'b')
    const moved = await writer.send({
      method: 'PATCH',
      target: `/uploads/${there}`,
      headers: { 'Content-Type': 'application/merge-patch+json' },
      body: JSON.stringify({ label: 'the same label' }),
    })
    expect(jsonOf(moved)).toMatchObject({ package_id: own })
  })
})

describe('when it is shared no more', () => {
  test('the package and its files are gone at once: by their ids, by their content, from lists', async () => {
    const { owner, reader } = people
    const { open, finalized, file, sha256: content } = await aSharedPackage()
    const targets = [
      `/packages/${open}`,
      `/packages/${open}/files`,
      `/packages/${open}/eml`,
      `/uploads/${file}`,
      `/uploads/${file}/eml`,
      `/files/${content}`,
      `/files/${content}/info`,
      `/files/${content}/download`,
    ]
    const statuses = () =>
      Promise.all(targets.map(async (target) => (await reader.send({ method: 'GET', target })).status))
    expect(new Set(await statuses())).toEqual(new Set([200]))
    const answer = await owner.send({ method: 'DELETE', target: `/packages/${open}/shares/readers` })
    expect(answer.status).toBe(204)
    expect(new Set(await statuses())).toEqual(new Set([404]))
    const { items } = await reader.get<{ items: { id: string }[] }>('/packages?limit=100')
    expect(items.map(({ id }) => id)).toContain(finalized)
    expect(items.map(({ id }) => id)).not.toContain(open)
    expect(await reader.get(`/uploads?package_id=${open}`)).toMatchObject({ items: [] })
    // Asked for again, there is nothing to end.
    const again = await owner.send({ method: 'DELETE', target: `/packages/${open}/shares/readers` })
    expect(again.status).toBe(404)
  })

  test('who wrote into it keeps what is theirs, and puts nothing more there', async () => {
    const { owner, writer } = people
    const { open } = await aSharedPackage()
    const { upload_id: id } = await writer.put(`/packages/${open}/files?filename=w.csv`, 'mine')
    const begun = await writer.json('POST', '/uploads', { filename: 'u.csv', size: 3, package_id: open })
    const { id: unfinished } = jsonOf<{ id: string }>(begun)
    await owner.send({ method: 'DELETE', target: `/packages/${open}/shares/writers` })
    const more = await writer.send({
      method: 'POST',
      target: `/packages/${open}/files?filename=x`,
      body: 'x',
    })
    expect(more.status).toBe(404)
    expect(await writer.get(`/uploads/${id}`)).toMatchObject({ state: 'ready' })
    // What was begun there may be finished there: it stands in the package already.
    await writer.send({
      method: 'PATCH',
      target: `/uploads/${unfinished}`,
      headers: { 'Content-Range': 'bytes 0-2/3' },
      body: 'abc',
    })
    const done = await writer.send({ method: 'POST', target: `/uploads/${unfinished}/complete` })
    expect(jsonOf(done)).toMatchObject({ state: 'ready', package_id: open })
    expect((await writer.send({ method: 'DELETE', target: `/uploads/${id}` })).status).toBe(204)
  })

  test('writing can be turned into reading', async () => {
    const { owner, writer } = people
    const { open, file } = await aSharedPackage()
    await owner.share(open, 'writers', 'read')
    expect((await writer.send({ method: 'GET', target: `/uploads/${file}` })).status).toBe(200)
    expect((await writer.send({ method: 'DELETE', target: `/uploads/${file}` })).status).toBe(403)
    // Of two groups the better right counts.
    await owner.share(open, 'both', 'write')
    expect((await writer.send({ method: 'DELETE', target: `/uploads/${file}` })).status).toBe(204)
  })

  test('a deleted package is 410 to whom it was shared with, and 404 to others', async () => {
    const { owner, reader, stranger } = people
    const { open } = await aSharedPackage()
    await owner.send({ method: 'DELETE', target: `/packages/${open}` })
    const ask = { method: 'GET', target: `/packages/${open}` }
    expect((await reader.send(ask)).status).toBe(410)
    expect((await stranger.send(ask)).status).toBe(404)
    const shared = await owner.json('PUT', `/packages/${open}/shares/late`, { access: 'read' })
    expect(shared.status).toBe(410)
  })
})

describe('a share', () => {
  test('is with a person by the name that GET /me shows, and asked twice it is the same', async () => {
    const { owner, named } = people
    const open = await owner.makePackage()
    const { owner: name } = await named.get<{ owner: string }>('/me')
    const put = () => owner.json('PUT', `/packages/${open}/shares/${name}`, { access: 'write' })
    const [first, second] = [jsonOf(await put()), jsonOf(await put())]
    expect(first).toEqual({ grantee: 'the-person', access: 'write', shared_at: expect.any(String) })
    expect(second).toEqual(first)
    expect(await owner.get(`/packages/${open}/shares`)).toEqual({ shares: [first] })
    await named.put(`/packages/${open}/files?filename=a.csv`, 'a')
  })

  test('with as many as may be is the last one', async () => {
    const { owner } = people
    const open = await owner.makePackage()
    for (let n = 0; n < 100; n += 1) await owner.share(open, `group-${n}`, 'read')
    const more = await owner.json('PUT', `/packages/${open}/shares/one-more`, { access: 'read' })
    expect(codeOf(more)).toBe('CONFLICT')
    // One of them may still be changed.
    await owner.share(open, 'group-7', 'write')
    const { shares } = await owner.get<{ shares: unknown[] }>(`/packages/${open}/shares`)
    expect(shares).toHaveLength(100)
  })

  test('two shares of the last place at once: one gets it', async () => {
    const { owner } = people
    const open = await owner.makePackage()
    for (let n = 0; n < 99; n += 1) await owner.share(open, `group-${n}`, 'read')
    const answers = await Promise.all(
      [1, 2, 3, 4].map((n) => owner.json('PUT', `/packages/${open}/shares/late-${n}`, { access: 'read' })),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409])
  })

  test('with a key’s groups is of that key alone: another of the same owner reaches nothing', async () => {
    const { file } = await aSharedPackage()
    const withGroups = await keys.make('a-lab', EVERYTHING, { groups: ['readers'] })
    const without = await keys.make('a-lab')
    expect((await withGroups.send({ method: 'GET', target: `/uploads/${file}` })).status).toBe(200)
    expect((await without.send({ method: 'GET', target: `/uploads/${file}` })).status).toBe(404)
    // A key gives its groups to those it makes, and no others; an administrator gives any.
    const made = jsonOf<{ groups: string[] }>(await withGroups.json('POST', '/api-keys', { name: 'k' }))
    expect(made.groups).toEqual(['readers'])
    const wanted = { name: 'k', groups: ['readers'] }
    expect((await without.json('POST', '/api-keys', wanted)).status).toBe(403)
    const byAdmin = await people.admin.json('POST', '/api-keys', { ...wanted, owner: 'a-lab' })
    expect(jsonOf<{ groups: string[] }>(byAdmin).groups).toEqual(['readers'])
  })
})
