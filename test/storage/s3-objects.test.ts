import { randomBytes } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { CreateMultipartUploadCommand, PutObjectCommand, UploadPartCommand } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { Bucket } from '../../server/storage/s3-client.js'
import { S3Objects } from '../../server/storage/s3-objects.js'
import type { StoredItem } from '../../server/storage/store.js'
import { createTestBucket, describeS3, type TestBucket } from '../support/s3.js'
import { bucketBehind, fail, startFront } from './s3-front.js'

const id = '0123456789abcdef'

describeS3('objects in S3', () => {
  let there: TestBucket
  let bucket: Bucket
  let objects: S3Objects

  beforeEach(async () => {
    there = await createTestBucket()
    bucket = new Bucket(there.settings())
    // Pages so small that all of these listings have several.
    objects = new S3Objects(bucket, { pageItems: 2 })
  })
  afterEach(async () => {
    bucket.close()
    await there.drop()
  })

  async function put(key: string, body: string | Buffer = 'bytes'): Promise<void> {
    await there.client.send(new PutObjectCommand({ Bucket: there.bucket, Key: key, Body: body }))
  }
  async function begin(key: string): Promise<void> {
    const name = { Bucket: there.bucket, Key: key }
    const { UploadId } = await there.client.send(new CreateMultipartUploadCommand(name))
    await there.client.send(new UploadPartCommand({ ...name, UploadId, PartNumber: 1, Body: 'part' }))
  }
  async function listed(): Promise<StoredItem[]> {
    const items: StoredItem[] = []
    for await (const item of objects.list()) items.push(item)
    return items
  }
  const left = async () => {
    const { objects, multiparts } = await there.list()
    return [...objects, ...multiparts].map(({ key }) => key)
  }

  test('are stored, told, read and deleted', async () => {
    const bytes = randomBytes(200_000)
    const etag = await objects.putObject(id, bytes)
    expect(etag).toMatch(/^"[0-9a-f]{32}"$/)
    expect(await there.list()).toEqual({
      objects: [{ key: `antipasto/objects/${id}`, sizeBytes: bytes.length }],
      multiparts: [],
    })
    expect(await objects.headObject(id)).toBe(bytes.length)
    const { head, sizeBytes } = await objects.readObjectHead(id, 1024)
    expect([Buffer.from(head).equals(bytes.subarray(0, 1024)), sizeBytes]).toEqual([true, bytes.length])
    expect(
      (await buffer(objects.readObject(id, { start: 10, end: 199_999 }))).equals(bytes.subarray(10, -1)),
    ).toBe(true)
    await objects.deleteObject(id)
    await objects.deleteObject(id)
    expect(await objects.headObject(id)).toBeNull()
    expect(await left()).toEqual([])
  })

  test('may be empty', async () => {
    await objects.putObject(id, new Uint8Array())
    expect(await objects.headObject(id)).toBe(0)
    expect(await objects.readObjectHead(id, 1024)).toEqual({ head: new Uint8Array(), sizeBytes: 0 })
    expect(await buffer(objects.readObject(id, { start: 0, end: 0 }))).toHaveLength(0)
  })

  test('that are shorter than the head asked for are told whole', async () => {
    await objects.putObject(id, Buffer.from('short'))
    const { head, sizeBytes } = await objects.readObjectHead(id, 1024)
    expect([String(head), sizeBytes]).toEqual(['short', 5])
    expect(await objects.readObjectHead(id, 0)).toEqual({ head: new Uint8Array(), sizeBytes: 5 })
  })

  test('that are not there are NOT_FOUND, whatever is asked', async () => {
    await expect(objects.readObjectHead(id, 10)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(buffer(objects.readObject(id, { start: 0, end: 0 }))).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
  })

  test.each(['', '0123', '../objects/0123456789', 'ABCDEF0123456789', `${id}/x`, 'g'.repeat(16)])(
    'have no such key as %p',
    async (key) => {
      await expect(objects.putObject(key, Buffer.from('x'))).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(objects.deleteTemporary(key)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      expect(await left()).toEqual([])
    },
  )

  test('a trouble with the bucket is never a missing object', async () => {
    const nowhere = new Bucket({ ...there.settings(), bucket: 'antipasto-no-such-bucket' })
    await expect(new S3Objects(nowhere).headObject(id)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    nowhere.close()
    const front = await startFront()
    const stranger = bucketBehind(front)
    for (const answer of [404, 403, 500]) {
      front.answer = (exchange) => fail(exchange, answer)
      await expect(new S3Objects(stranger).headObject(id)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    }
    stranger.close()
    await front.close()
  })

  test('are listed page by page: pieces, multipart uploads, and what is whole', async () => {
    const ids = Array.from({ length: 5 }, (_, i) => `${i}`.repeat(16))
    for (const key of ids) await put(`antipasto/objects/${key}`, `whole ${key}`)
    for (const key of ids) for (const piece of ['a', 'b']) await put(`antipasto/tmp/${key}/${piece}`)
    for (const key of ids) await begin(`antipasto/objects/${key}`)
    const items = await listed()
    const told = (room: string, sizeBytes: number) =>
      items.filter((item) => item.room === room && item.sizeBytes === sizeBytes).map(({ key }) => key)
    expect(told('object', 22).sort()).toEqual(ids)
    expect(told('temporary', 5).sort()).toEqual([...ids, ...ids].sort())
    // Multipart uploads.
    expect(told('temporary', 0).sort()).toEqual(ids)
    expect(items).toHaveLength(20)
    for (const { modifiedAt } of items)
      expect(Math.abs(Date.now() - modifiedAt.getTime())).toBeLessThan(60_000)
  })

  test('what is not named like ours is not ours: neither listed nor deleted', async () => {
    const theirs = [
      `antipasto/objects/${id}/x`,
      'antipasto/objects/README.txt',
      'antipasto/objects/ABCDEF0123456789',
      `antipasto/tmp/${id}`,
      'antipasto/tmp/notes/today',
      `antipasto2/objects/${id}`,
      `objects/${id}`,
      id,
    ]
    for (const key of theirs) await put(key)
    const begun = ['antipasto/objects/a-backup', `antipasto/tmp/${id}/x`, id]
    for (const key of begun) await begin(key)
    expect(await listed()).toEqual([])
    await objects.deleteTemporary(id)
    expect((await left()).sort()).toEqual([...theirs, ...begun].sort())
  })

  test('all of a temporary goes at once, and nothing of another', async () => {
    for (let i = 0; i < 20; i++) await put(`antipasto/tmp/${id}/${i}`)
    for (let i = 0; i < 3; i++) await begin(`antipasto/objects/${id}`)
    const others = [`antipasto/tmp/${id}0/a`, `antipasto/objects/${id}`]
    for (const key of others) await put(key)
    await begin(`antipasto/objects/${id}0`)
    await objects.deleteTemporary(id)
    await objects.deleteTemporary(id)
    expect((await left()).sort()).toEqual([...others, `antipasto/objects/${id}0`].sort())
  })

  test('a piece is read whole and deleted, and a multipart upload that is gone is aborted', async () => {
    await put(`antipasto/tmp/${id}/0a`, 'a piece')
    expect(String(await buffer(objects.readPiece(id, '0a', 7)))).toBe('a piece')
    // Not the piece that the ledger means.
    await expect(buffer(objects.readPiece(id, '0a', 8))).rejects.toMatchObject({ code: 'CONFLICT' })
    await objects.deletePiece(id, '0a')
    await objects.deletePiece(id, '0a')
    await objects.abortMultipart(id, '2~no-such-upload')
    expect(await left()).toEqual([])
  })

  test('have a URL at which the store itself presents them', async () => {
    await objects.putObject(id, Buffer.from('a,b\n'))
    const presentation = { contentType: 'text/csv', contentDisposition: `attachment; filename="a b.csv"` }
    const url = await objects.objectUrl(id, 60, presentation)
    const response = await fetch(url)
    expect([response.status, await response.text()]).toEqual([200, 'a,b\n'])
    expect(response.headers.get('content-type')).toBe('text/csv')
    expect(response.headers.get('content-disposition')).toBe(presentation.contentDisposition)
    const part = await fetch(url, { headers: { range: 'bytes=2-' } })
    expect([part.status, await part.text()]).toEqual([206, 'b\n'])
    // S3 allows seven days.
    const long = new URL(await objects.objectUrl(id, 86_400 * 30, presentation))
    expect(long.searchParams.get('X-Amz-Expires')).toBe('604800')
    expect((await fetch(url.replace(id, '00000000'))).status).toBe(403)
  })

  test('check is one question, and tells a bucket that is away', async () => {
    await objects.check()
    const front = await startFront()
    const away = bucketBehind(front)
    front.answer = (exchange) => fail(exchange, 503)
    await expect(new S3Objects(away).check()).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      retryAfterSeconds: 60,
    })
    expect(front.seen).toEqual(['HEAD /a-bucket/'])
    away.close()
    await front.close()
  })
})
