// The policy of docs/s3.md on a real gateway that enforces it: enough for everything that the store does, and no right too many.

import { GetObjectCommand, PutBucketPolicyCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { S3Store } from '../../server/storage/s3.js'
import { Bucket } from '../../server/storage/s3-client.js'
import { proveRights } from '../../server/storage/s3-rights.js'
import { markedBlock } from '../docs/shell-blocks.js'
import { storeContract } from '../storage/store-contract.js'
import { type Radosgw, startRadosgw } from '../support/radosgw.js'
import { connect, createTestBucket, describeRadosgw, type TestBucket } from '../support/s3.js'
import type { Operation } from '../support/s3-operation.js'
import { type S3Proxy, startS3Proxy } from '../support/s3-proxy.js'

const MIB = 1024 ** 2
const USER = 'antipasto'
const KEYS = { accessKey: 'APP', secretKey: 'app-secret' }

interface Statement {
  readonly Effect: string
  readonly Action: readonly string[]
  readonly Resource: string
}
const manual: { Version: string; Statement: Statement[] } = JSON.parse(markedBlock('docs/s3.md', 'policy'))
const rights = manual.Statement.flatMap(({ Action }) => Action)

/** By AWS's service authorization reference: what each operation that the store may ask for needs. */
const RIGHT_OF: Partial<Record<Operation, string>> = {
  AbortMultipartUpload: 's3:AbortMultipartUpload',
  CompleteMultipartUpload: 's3:PutObject',
  CreateMultipartUpload: 's3:PutObject',
  DeleteObject: 's3:DeleteObject',
  GetObject: 's3:GetObject',
  HeadBucket: 's3:ListBucket',
  ListMultipartUploads: 's3:ListBucketMultipartUploads',
  ListObjectsV2: 's3:ListBucket',
  PutObject: 's3:PutObject',
  UploadPart: 's3:PutObject',
  // And s3:GetObject on its source.
  UploadPartCopy: 's3:PutObject',
}

describeRadosgw('the policy of the manual, for a user who owns nothing', () => {
  let gateway: Radosgw
  let bucket: TestBucket
  let proxy: S3Proxy

  /** The manual's, as a bucket policy, with the actions that `isAllowed` lets stand. */
  async function allow(isAllowed: (action: string) => boolean = () => true): Promise<void> {
    const statements = manual.Statement.map(({ Effect, Action, Resource }) => ({
      Effect,
      Principal: { AWS: [`arn:aws:iam:::user/${USER}`] },
      Action: Action.filter(isAllowed),
      Resource: Resource.replace('my-bucket', bucket.bucket),
    }))
    const Policy = JSON.stringify({
      Version: manual.Version,
      Statement: statements.filter(({ Action }) => Action.length > 0),
    })
    await bucket.client.send(new PutBucketPolicyCommand({ Bucket: bucket.bucket, Policy }))
  }

  beforeAll(async () => {
    gateway = await startRadosgw()
    await gateway.addUser(USER, KEYS)
    bucket = await createTestBucket(gateway)
    proxy = await startS3Proxy(gateway.endpoint)
    // The store takes its credentials from here; Jest gives each file an environment of its own.
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: KEYS.accessKey, AWS_SECRET_ACCESS_KEY: KEYS.secretKey })
    await allow()
  })
  afterAll(async () => {
    await proxy.close()
    await gateway.stop()
  })

  storeContract('S3Store with these rights alone', async () => {
    const store = new S3Store(bucket.settings({ endpoint: proxy.url }), 64 * MIB)
    return { store, dispose: () => store.close() }
  })

  test('every operation of the contract and the health check is allowed by a right, and each right is used', async () => {
    const store = new S3Store(bucket.settings({ endpoint: proxy.url }), 64 * MIB)
    await store.check()
    await store.close()
    const operations = Object.keys(proxy.counts()) as Operation[]
    expect(operations.filter((operation) => RIGHT_OF[operation] === undefined)).toEqual([])
    const used = new Set(operations.map((operation) => RIGHT_OF[operation]))
    expect([...used].sort()).toEqual([...rights].sort())
  })

  test('outside the prefix nothing can be read or written', async () => {
    const stranger = { Bucket: bucket.bucket, Key: 'others/secret.csv' }
    await bucket.client.send(new PutObjectCommand({ ...stranger, Body: 'theirs' }))
    const client = connect({ ...gateway, ...KEYS })
    await expect(client.send(new GetObjectCommand(stranger))).rejects.toMatchObject({ name: 'AccessDenied' })
    await expect(client.send(new PutObjectCommand({ ...stranger, Body: 'ours' }))).rejects.toMatchObject({
      name: 'AccessDenied',
    })
    client.destroy()
  })

  // Ceph lets whoever wrote an object read it, by the object's ACL: there it isn't missed.
  test.each(rights.filter((right) => right !== 's3:GetObject'))(
    'without %s the start says that it is missing',
    async (right) => {
      await allow((action) => action !== right)
      const settings = { ...bucket.settings({ prefix: 'antipasto' }), timing: { startMs: 2000 } }
      const client = new Bucket(settings)
      try {
        await expect(proveRights(client)).rejects.toMatchObject({
          code: 'UNAVAILABLE',
          detail: expect.stringContaining(`Allow them: ${right} on arn:aws:s3:::${bucket.bucket}`),
        })
      } finally {
        client.close()
      }
    },
  )
})

test('the policy has no wildcard in its actions, and objects of its prefix alone', () => {
  expect(rights.filter((right) => right.includes('*'))).toEqual([])
  expect(new Set(rights).size).toBe(rights.length)
  expect(manual.Statement.map(({ Resource }) => Resource)).toEqual([
    'arn:aws:s3:::my-bucket/antipasto/*',
    'arn:aws:s3:::my-bucket',
  ])
})
