// The whole client against the real server.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Antipasto } from '../../../client/api/antipasto.js'
import type { Manifest, NewApiKey, Report } from '../../../client/api/types.js'
import { uploadIdOf } from '../../../client/api/uploads.js'
import { ediId, type Iam, startIam } from '../../support/iam.js'
import { startServer, type TestServer } from '../../support/server.js'
import { startReceiver } from '../../webhooks/receiver.js'

const sha256Of = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex')
const bytesOf = (text: string) => new TextEncoder().encode(text)

let iam: Iam
let server: TestServer
let antipasto: Antipasto

beforeAll(async () => {
  iam = await startIam()
  server = await startServer({ env: { ...iam.env, WEBHOOK_PRIVATE_ADDRESSES: 'true' } })
  antipasto = new Antipasto({ url: server.url, token: server.key })
})

afterAll(async () => {
  await server.dispose()
  await iam.close()
})

/** As many at once as a pool of connections has. */
async function inParallel(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: 12 }, worker))
}

describe('who asks', () => {
  test('is told of the credential, and how people sign in without one', async () => {
    expect(await antipasto.me()).toMatchObject({ scopes: expect.arrayContaining(['upload', 'read']) })
    const nobody = new Antipasto({ url: server.url })
    expect((await nobody.signIn()).methods.map(({ type }) => type)).toContain('api_key')
    await expect(nobody.me()).rejects.toMatchObject({
      name: 'Unauthorized',
      code: 'UNAUTHORIZED',
      status: 401,
    })
  })

  test('gets a new token once when it has ended, under 20 requests at a time', async () => {
    const old = iam.issue({ sub: ediId('ada'), expiresInSeconds: -3600 })
    let renewals = 0
    const credentials = {
      current: () => old,
      async renew(ended: string | null) {
        expect(ended).toBe(old)
        renewals += 1
        await new Promise((resolve) => setTimeout(resolve, 100))
        return iam.issue({ sub: ediId('ada') })
      },
    }
    const ada = new Antipasto({ url: server.url, credentials })
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        index % 2 === 0 ? ada.me() : ada.packages.create({ name: `Lake ${index}` }),
      ),
    )
    expect(new Set(answers.map(({ owner }) => owner))).toEqual(new Set([ediId('ada')]))
    expect(renewals).toBe(1)
    expect(await allOf(ada.packages.list())).toHaveLength(10)
  })

  test('with an ended token and none to be had is told so', async () => {
    const token = iam.issue({ expiresInSeconds: -3600 })
    await expect(new Antipasto({ url: server.url, token }).me()).rejects.toMatchObject({
      name: 'Unauthorized',
      message: expect.stringMatching(/expired/),
    })
  })
})

describe('lists over several pages', () => {
  test('give every upload once, in order, and stop when nobody takes more', async () => {
    const label = 'many sessions'
    await inParallel(1_010, (index) => antipasto.uploads.open({ filename: `${index}.csv`, size: 1, label }))
    const names = await allOf(antipasto.uploads.list({ label, state: ['receiving'], sort: 'created_at' }))
    expect(new Set(names.map(({ filename }) => filename)).size).toBe(1_010)
    const times = names.map(({ created_at }) => created_at)
    expect(times).toEqual([...times].sort())
    expect(await allOf(antipasto.uploads.list({ label, state: ['ready', 'failed'] }))).toEqual([])

    let taken = 0
    for await (const report of antipasto.uploads.list({ label })) {
      expect(report.label).toBe(label)
      taken += 1
      if (taken === 700) break
    }
    expect(taken).toBe(700)
  })

  test('are turned by hand, in the order that was asked for', async () => {
    const label = 'by hand'
    for (const [filename, size] of [
      ['b.csv', 1],
      ['A.csv', 3],
      ['c.csv', 2],
    ] as const) {
      await antipasto.uploads.open({ filename, size, label })
    }
    const filters = { label, sort: '-size' } as const
    const first = await antipasto.uploads.page(filters, { limit: 2 })
    expect(first.items.map(({ filename }) => filename)).toEqual(['A.csv', 'c.csv'])
    const second = await antipasto.uploads.page(filters, { limit: 2, cursor: String(first.next_cursor) })
    expect(second.items.map(({ filename }) => filename)).toEqual(['b.csv'])
    expect(second.next_cursor).toBeNull()
    const named = await allOf(antipasto.uploads.list({ label, sort: 'filename' }))
    expect(named.map(({ filename }) => filename)).toEqual(['A.csv', 'b.csv', 'c.csv'])
    expect((await antipasto.uploads.page()).items.length).toBeLessThanOrEqual(50)
    await expect(
      antipasto.uploads.page({ sort: 'size' }, { cursor: String(first.next_cursor) }),
    ).rejects.toMatchObject({ name: 'InvalidInput' })

    const [found] = (await antipasto.packages.page({ q: 'BY HAND' }, { limit: 1 })).items
    expect(found).toMatchObject({ label, counts: { total: 3, ready: 0, unfinished: 3, bytes: 0 } })
    const files = await antipasto.packages.filesPage(String(found?.id), { limit: 2 })
    expect(files.items).toHaveLength(2)
    const rest = await antipasto.packages.filesPage(String(found?.id), { cursor: String(files.next_cursor) })
    expect(rest).toMatchObject({ items: [{ label }], next_cursor: null })
    const reason = new Error('no longer wanted')
    const signal = AbortSignal.abort(reason)
    await expect(antipasto.uploads.page({}, { signal })).rejects.toBe(reason)
  })

  test('give every package, by its own facts, too', async () => {
    const token = iam.issue({ sub: ediId('grace') })
    const grace = new Antipasto({ url: server.url, token })
    await inParallel(520, (index) =>
      grace.packages.create({
        name: `P${index}`,
        metadata: { site: index % 2 ? 'Müggelsee & Co' : 'Stechlin' },
      }),
    )
    expect(await allOf(grace.packages.list())).toHaveLength(520)
    const found = await allOf(grace.packages.list({ metadata: { site: 'Müggelsee & Co' }, state: ['open'] }))
    expect(found).toHaveLength(260)
    expect(await allOf(grace.packages.list({ state: ['finalized'] }))).toEqual([])
  })
})

describe('one file in one request', () => {
  test('arrives from bytes and from a stream, is known by its content, and goes', async () => {
    const text = 'depth,temperature\n5,12.5\n'
    const file = await antipasto.files.create(bytesOf(text), {
      filename: 'inflow.csv',
      label: 'one-shot',
      key: 'my key',
      size: text.length,
      sha256: sha256Of(text),
      contentType: 'text/csv',
    })
    expect(file).toMatchObject({ file_id: sha256Of(text), size: text.length, content_type: 'text/csv' })
    const stream = new Blob(['x'.repeat(300_000)]).stream() as ReadableStream<Uint8Array>
    const streamed = await antipasto.files.create(stream, {
      filename: 'x.txt',
      relativePath: 'raw/x.txt',
      label: 'one-shot',
    })
    expect(streamed).toMatchObject({ size: 300_000, relative_path: 'raw/x.txt' })

    expect(await antipasto.files.info(file.file_id)).toMatchObject({
      filename: 'inflow.csv',
      label: 'one-shot',
    })
    const report = await antipasto.uploads.report(file.upload_id)
    expect(report).toMatchObject({ state: 'ready', key: 'my key' })
    expect(await (await fetch(String(report.retrieval_url))).text()).toBe(text)

    expect(await antipasto.files.remove(file.file_id)).toBe(true)
    expect(await antipasto.files.remove(file.file_id)).toBe(false)
    await expect(antipasto.files.info(file.file_id)).rejects.toMatchObject({ name: 'NotFound' })
  })
})

describe('a session', () => {
  test('is opened once for one key, filled by anybody, and completed', async () => {
    const wish = { filename: 'tile.tif', size: 5, label: 'sessions' }
    const session = await antipasto.uploads.open(wish, 'session-1')
    expect((await antipasto.uploads.open(wish, 'session-1')).id).toBe(session.id)
    expect(uploadIdOf(session.upload_url)).toBe(session.id)
    await expect(antipasto.uploads.complete(session.id)).rejects.toMatchObject({
      name: 'OffsetMismatch',
      status: 409,
    })
    await expect(antipasto.uploads.whenReady(session.id)).rejects.toMatchObject({
      name: 'OffsetMismatch',
      details: { upload_offset: 0 },
    })
    await antipasto.connection.ask(`/uploads/${session.id}`, {
      method: 'PATCH',
      headers: { 'content-range': 'bytes 0-4/5', 'content-type': 'application/octet-stream' },
      body: 'hello',
    })
    const done = await antipasto.uploads.complete(session.id, { relative_path: 'tiles/tile.tif' })
    expect(done).toMatchObject({ id: session.id, relative_path: 'tiles/tile.tif' })
    const ready = await antipasto.uploads.whenReady(session.id)
    expect(ready.checksums?.sha256).toBe(sha256Of('hello'))
    expect((await antipasto.uploads.complete(session.id)).id).toBe(session.id)
  })
})

describe('an upload', () => {
  async function anUpload(text = 'abc'): Promise<Report> {
    const file = await antipasto.files.create(bytesOf(text), { filename: 'a.csv', contentType: 'text/csv' })
    return antipasto.uploads.report(file.upload_id)
  }

  test('changes its label and note, and lasts longer, once however often it is asked', async () => {
    const { id, expires_at } = await anUpload()
    expect(await antipasto.uploads.change(id, { note: 'Checked.', label: 'lake' })).toMatchObject({
      note: 'Checked.',
      label: 'lake',
    })
    const later = new Date(Date.parse(String(expires_at)) + 86_400_000).toISOString()
    for (let time = 1; time <= 2; time += 1) {
      expect((await antipasto.uploads.change(id, { expires_at: later })).expires_at).toBe(later)
    }
  })

  test('gets a new URL, and the old one is dead', async () => {
    const { id, retrieval_url } = await anUpload()
    const { retrieval_url: next } = await antipasto.uploads.renewUrl(id)
    expect(next).not.toBe(retrieval_url)
    expect((await fetch(String(retrieval_url))).status).toBe(404)
    expect(await (await fetch(next)).text()).toBe('abc')
  })

  test('is described for EML', async () => {
    const { id } = await anUpload()
    expect(await antipasto.uploads.eml(id)).toContain('<objectName>a.csv</objectName>')
  })

  test('is deleted, and was not there the second time', async () => {
    const { id } = await anUpload()
    expect([await antipasto.uploads.remove(id), await antipasto.uploads.remove(id)]).toEqual([true, false])
    await expect(antipasto.uploads.whenReady(id)).rejects.toMatchObject({ name: 'Gone' })
    expect(await antipasto.uploads.remove('0'.repeat(40))).toBe(false)
  })

  test('is deleted so that it can be restored, both however often it is said', async () => {
    const before = await anUpload()
    const { id } = before
    const deleted = await antipasto.uploads.removeWithUndo(id, 600)
    expect(deleted).toMatchObject({ id, state: 'deleted', restorable_until: expect.any(String) })
    expect(await antipasto.uploads.removeWithUndo(id, 600)).toEqual(deleted)
    const found = await allOf(antipasto.uploads.list({ state: ['deleted', 'canceled'], q: id }))
    expect(found.map(({ restorable_until }) => restorable_until)).toEqual([deleted.restorable_until])
    await expect(antipasto.uploads.received(id)).rejects.toMatchObject({ name: 'Gone' })
    for (let time = 1; time <= 2; time += 1) {
      expect(await antipasto.uploads.restore(id)).toMatchObject({
        state: 'ready',
        retrieval_url: before.retrieval_url,
        restorable_until: null,
      })
    }
    expect(await antipasto.uploads.received(id)).toEqual({ offset: 3, checksums: before.checksums })
    await antipasto.uploads.removeWithUndo(id, 600)
    expect(await antipasto.uploads.remove(id)).toBe(true)
    await expect(antipasto.uploads.restore(id)).rejects.toMatchObject({ name: 'Conflict' })
    await expect(antipasto.uploads.removeWithUndo(id, 600)).rejects.toMatchObject({ name: 'Gone' })
    await expect(antipasto.uploads.removeWithUndo('0'.repeat(40), 5)).rejects.toMatchObject({
      name: 'NotFound',
    })
    await expect(antipasto.uploads.removeWithUndo(id, 0)).rejects.toMatchObject({ name: 'InvalidInput' })
  })
})

describe('a package', () => {
  test('goes the whole way: filled, finalized, its manifest, EML and longer life, and deleted', async () => {
    const label = 'lake-2026'
    const { id, state } = await antipasto.packages.create({
      name: 'Lake survey',
      label,
      subject: 'Müggelsee',
    })
    expect(state).toBe('open')
    await expect(antipasto.packages.create({ name: 'Again', label })).rejects.toMatchObject({
      name: 'Conflict',
    })
    const count = 505
    await inParallel(count, (index) =>
      antipasto.files.create(bytesOf(`content ${index}`), {
        filename: `${index}.csv`,
        relativePath: `data/${String(index).padStart(3, '0')}.csv`,
        contentType: 'text/csv',
        ...(index % 2 ? { label } : { packageId: id }),
      }),
    )
    const session = await antipasto.uploads.open({ filename: 'late.csv', size: 3, package_id: id })
    await expect(antipasto.packages.finalize(id)).rejects.toMatchObject({
      name: 'Conflict',
      details: expect.anything(),
    })
    await antipasto.uploads.remove(session.id)

    const files = await allOf(antipasto.packages.files(id))
    expect(files.map(({ relative_path }) => relative_path)).toEqual(
      Array.from({ length: count }, (_, index) => `data/${String(index).padStart(3, '0')}.csv`),
    )
    await expect(antipasto.packages.manifest(id)).rejects.toMatchObject({ name: 'Conflict' })
    const finalized = await antipasto.packages.finalize(id)
    expect(finalized).toMatchObject({ state: 'finalized', counts: { ready: count } })
    expect(await antipasto.packages.finalize(id)).toMatchObject({
      manifest_sha256: finalized.manifest_sha256,
    })

    const cbor = await antipasto.packages.manifest(id, 'cbor')
    expect(sha256Of(cbor)).toBe(finalized.manifest_sha256)
    const head = await antipasto.connection.ask(`/packages/${id}/manifest.json`, { method: 'HEAD' })
    const json = await antipasto.packages.manifest(id)
    expect(`"${sha256Of(json)}"`).toBe(head.headers.get('etag'))
    const manifest: Manifest = JSON.parse(new TextDecoder().decode(json))
    expect(manifest.totals.files).toBe(count)

    expect(await antipasto.packages.eml(id)).toContain('<objectName>')
    const until = new Date(Date.now() + 200 * 86_400_000).toISOString()
    const extension = await antipasto.packages.extend(id, { new_expires_at: until, reason: 'The review.' })
    expect(extension).toMatchObject({ package_id: id, new_expires_at: until, reason: 'The review.' })
    expect((await antipasto.packages.get(id)).expires_at).toBe(until)

    expect([await antipasto.packages.remove(id), await antipasto.packages.remove(id)]).toEqual([true, false])
    await expect(antipasto.packages.get(id)).rejects.toMatchObject({ name: 'Gone', code: 'GONE' })
  })

  test('fills an EML document, by its id and by its label', async () => {
    const lake = readFileSync(new URL('../../../../test/packages/eml/lake.xml', import.meta.url))
    const names = [...lake.toString().matchAll(/<objectName>(.*?)<\/objectName>/g)].map(([, name]) =>
      String(name),
    )
    const [filename = ''] = names
    const label = 'for-eml'
    await antipasto.files.create(bytesOf('a,b\n'), { filename, label })
    await antipasto.files.create(bytesOf('nobody names it'), { filename: 'unused.csv', label })
    const byLabel = await antipasto.packages.patchEml({ label }, new Uint8Array(lake))
    expect(byLabel.matched.map(({ object_name }) => object_name)).toEqual([filename])
    expect(byLabel.unused.map(({ path }) => path)).toEqual(['unused.csv'])
    expect(byLabel.missing.map(({ object_name }) => object_name)).toEqual(
      expect.arrayContaining(['photographs.zip', 'nowhere.bin']),
    )
    expect(byLabel.document).toContain(createHash('md5').update('a,b\n').digest('hex'))

    const [found] = await allOf(antipasto.packages.list({ label }))
    const byId = await antipasto.packages.patchEml({ packageId: String(found?.id) }, byLabel.document)
    expect(byId.document).toBe(byLabel.document)
  })
})

describe('keys', () => {
  test('are made, shown once, listed and revoked', async () => {
    const made: NewApiKey = await antipasto.keys.create({ name: 'script', scopes: ['read'] })
    const script = new Antipasto({ url: server.url, token: made.key })
    expect(await script.me()).toMatchObject({ key_id: made.id, scopes: ['read'] })
    await expect(script.files.create(bytesOf('x'), { filename: 'x' })).rejects.toMatchObject({
      name: 'Forbidden',
    })
    const listed = await allOf(antipasto.keys.list())
    expect(listed.map(({ id }) => id)).toContain(made.id)
    expect(JSON.stringify(listed)).not.toContain(made.key)
    expect([await antipasto.keys.revoke(made.id), await antipasto.keys.revoke(made.id)]).toEqual([true, true])
    expect(await antipasto.keys.revoke('00000000-0000-4000-8000-000000000000')).toBe(false)
    await expect(script.me()).rejects.toMatchObject({ name: 'Unauthorized' })
  })
})

describe('webhooks', () => {
  test('are made, shown their secret once, pinged, told of events, listed and ended', async () => {
    const receiver = await startReceiver()
    try {
      const { secret, ...made } = await antipasto.webhooks.create({
        url: receiver.url,
        events: ['package.created.v1'],
      })
      expect(secret).toMatch(/^whsec_/)
      expect(await antipasto.webhooks.get(made.id)).toEqual(made)
      expect(await allOf(antipasto.webhooks.list())).toContainEqual(made)
      const ping = await antipasto.webhooks.ping(made.id)
      expect(ping).toMatchObject({ type: 'webhook.ping.v1', state: 'delivered', status: 204, sequence: null })
      const { id } = await antipasto.packages.create({ name: 'told of' })
      await receiver.hasReceived(2)
      expect(receiver.received.map(({ body }) => body)).toEqual([
        expect.stringContaining('webhook.ping.v1'),
        expect.stringContaining(id),
      ])
      const deliveries = await allOf(antipasto.webhooks.deliveries(made.id))
      expect(deliveries.map(({ type }) => type)).toEqual(['package.created.v1', 'webhook.ping.v1'])
      expect(await antipasto.webhooks.remove(made.id)).toBe(true)
      expect(await antipasto.webhooks.remove(made.id)).toBe(false)
      await expect(antipasto.webhooks.get(made.id)).rejects.toMatchObject({ name: 'NotFound' })
      await expect(antipasto.webhooks.ping(made.id)).rejects.toMatchObject({ name: 'NotFound' })
    } finally {
      await receiver.close()
    }
  })

  test('are refused with what to do', async () => {
    await expect(antipasto.webhooks.create({ url: 'ftp://x.org/' })).rejects.toMatchObject({
      name: 'InvalidInput',
      message: expect.stringContaining('url'),
    })
  })
})

async function allOf<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}
