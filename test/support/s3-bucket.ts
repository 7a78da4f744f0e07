// A bucket of its own for each test that wants one, on a real S3 server. Knows nothing of the server's own code, whose work it
// looks at, and nothing of Jest: the fault suite runs without it, too.

import { randomBytes } from 'node:crypto'
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3'

export interface S3Server {
  /** `http://HOST:PORT`; buckets are in the path. */
  readonly endpoint: string
  readonly region: string
  readonly accessKey: string
  readonly secretKey: string
}

export interface StoredObject {
  readonly key: string
  readonly sizeBytes: number
}

/** A multipart upload in progress: begun, neither completed nor aborted. */
export interface OpenMultipart {
  readonly key: string
  readonly uploadId: string
  readonly parts: readonly {
    readonly partNumber: number
    readonly sizeBytes: number
    readonly etag: string
  }[]
}

export interface TestBucket extends S3Server {
  readonly bucket: string
  /** What `settings` and `env` say is the folder in the bucket. */
  readonly prefix: string
  /** Straight to the server, past any proxy. */
  readonly client: S3Client
  /** What a store in this process takes; its credentials are in this process's environment: see setup.ts. */
  settings(over?: { readonly endpoint?: string; readonly prefix?: string }): BucketSettings
  /** What a server process takes: `startServer({ env: bucket.env() })`. `endpoint`: a proxy's. */
  env(over?: { readonly endpoint?: string }): Record<string, string>
  /** Everything in it, in the order of the keys: `{ objects: [], multiparts: [] }` when nothing was left behind. */
  list(): Promise<{ objects: StoredObject[]; multiparts: OpenMultipart[] }>
  /** Removes everything in it. */
  empty(): Promise<void>
  /** Empties and removes it, and ends the client. Every test that makes a bucket ends with this. */
  drop(): Promise<void>
}

export interface BucketSettings {
  readonly bucket: string
  readonly region: string
  readonly endpoint: string
  readonly prefix: string
  readonly forcePathStyle: true
  readonly checksums: 'WHEN_REQUIRED'
}

/** A new bucket with nothing in it. */
export async function createBucketOn(server: S3Server): Promise<TestBucket> {
  const { endpoint, region, accessKey, secretKey } = server
  const bucket = `antipasto-test-${randomBytes(8).toString('hex')}`
  const prefix = 'antipasto'
  const client = connect(server)
  await client.send(new CreateBucketCommand({ Bucket: bucket }))

  async function list() {
    return { objects: await listObjects(client, bucket), multiparts: await listMultiparts(client, bucket) }
  }

  async function empty(): Promise<void> {
    const { objects, multiparts } = await list()
    for (const { key, uploadId } of multiparts) {
      await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId }))
    }
    for (const { key } of objects) await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }))
  }

  return {
    endpoint,
    region,
    accessKey,
    secretKey,
    bucket,
    prefix,
    client,
    settings: (over) => ({
      bucket,
      region,
      endpoint,
      prefix,
      forcePathStyle: true,
      checksums: 'WHEN_REQUIRED',
      ...over,
    }),
    env: (over) => ({
      STORE: 's3',
      S3_BUCKET: bucket,
      S3_REGION: region,
      S3_ENDPOINT: over?.endpoint ?? endpoint,
      S3_PREFIX: prefix,
      S3_FORCE_PATH_STYLE: 'true',
      AWS_ACCESS_KEY_ID: accessKey,
      AWS_SECRET_ACCESS_KEY: secretKey,
    }),
    list,
    empty,
    async drop() {
      await empty()
      await client.send(new DeleteBucketCommand({ Bucket: bucket }))
      client.destroy()
    },
  }
}

/** A client of the SDK's for a server, or for a proxy in front of it. By default it tries three times. */
export function connect(
  { endpoint, region, accessKey, secretKey }: S3Server,
  { maxAttempts = 3 } = {},
): S3Client {
  return new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    maxAttempts,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    // Not every server knows the newer checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
}

async function listObjects(client: S3Client, bucket: string): Promise<StoredObject[]> {
  const objects: StoredObject[] = []
  for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket })) {
    for (const { Key = '', Size = 0 } of page.Contents ?? []) objects.push({ key: Key, sizeBytes: Size })
  }
  return objects
}

async function listMultiparts(client: S3Client, bucket: string): Promise<OpenMultipart[]> {
  const multiparts: OpenMultipart[] = []
  let next: { KeyMarker?: string; UploadIdMarker?: string } = {}
  for (;;) {
    const page = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket, ...next }))
    for (const { Key: key = '', UploadId: uploadId = '' } of page.Uploads ?? []) {
      multiparts.push({ key, uploadId, parts: await listParts(client, bucket, key, uploadId) })
    }
    if (!page.IsTruncated) return multiparts
    next = { KeyMarker: page.NextKeyMarker ?? '', UploadIdMarker: page.NextUploadIdMarker ?? '' }
  }
}

async function listParts(
  client: S3Client,
  bucket: string,
  key: string,
  uploadId: string,
): Promise<OpenMultipart['parts']> {
  const parts: OpenMultipart['parts'][number][] = []
  let next: { PartNumberMarker?: string } = {}
  for (;;) {
    const name = { Bucket: bucket, Key: key, UploadId: uploadId }
    const page = await client.send(new ListPartsCommand({ ...name, ...next }))
    for (const { PartNumber = 0, Size = 0, ETag = '' } of page.Parts ?? []) {
      parts.push({ partNumber: PartNumber, sizeBytes: Size, etag: ETag })
    }
    // Not the SDK's paginator: Ceph names a next marker after the last page too, and it would go on for ever.
    if (!page.IsTruncated) return parts
    next = { PartNumberMarker: page.NextPartNumberMarker ?? '' }
  }
}
