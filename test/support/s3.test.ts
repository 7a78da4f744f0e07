import {
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { afterEach, expect, test } from '@jest/globals'
import { type Radosgw, startRadosgw } from './radosgw.js'
import { createTestBucket, describeRadosgw, describeS3, type TestBucket } from './s3.js'

let bucket: TestBucket | undefined

afterEach(async () => {
  await bucket?.drop()
  bucket = undefined
})

describeS3("a test's bucket", () => {
  test('lists objects and multipart uploads in progress, and is removed with all of them', async () => {
    bucket = await createTestBucket()
    expect(await bucket.list()).toEqual({ objects: [], multiparts: [] })
    const name = { Bucket: bucket.bucket }
    await bucket.client.send(new PutObjectCommand({ ...name, Key: 'a/b', Body: 'bytes' }))
    const begun = await bucket.client.send(new CreateMultipartUploadCommand({ ...name, Key: 'a/c' }))
    const part = { ...name, Key: 'a/c', UploadId: begun.UploadId, PartNumber: 7, Body: 'a part' }
    const { ETag } = await bucket.client.send(new UploadPartCommand(part))
    expect(await bucket.list()).toEqual({
      objects: [{ key: 'a/b', sizeBytes: 5 }],
      multiparts: [
        { key: 'a/c', uploadId: begun.UploadId, parts: [{ partNumber: 7, sizeBytes: 6, etag: ETag }] },
      ],
    })
    await bucket.empty()
    expect(await bucket.list()).toEqual({ objects: [], multiparts: [] })
  })
})

describeRadosgw('a gateway of its own', () => {
  let server: Radosgw | undefined

  afterEach(async () => server?.stop())

  test('is killed and started again on its port with what it had stored', async () => {
    server = await startRadosgw()
    bucket = await createTestBucket(server)
    const name = { Bucket: bucket.bucket, Key: 'kept' }
    await bucket.client.send(new PutObjectCommand({ ...name, Body: 'bytes' }))
    await server.killGateway()
    await expect(fetch(server.endpoint)).rejects.toThrow('fetch failed')
    await server.startGateway()
    const { Body } = await bucket.client.send(new GetObjectCommand(name))
    expect(await Body?.transformToString()).toBe('bytes')
    await bucket.drop()
    bucket = undefined
    await server.stop()
    await expect(fetch(server.endpoint)).rejects.toThrow('fetch failed')
  })
})
