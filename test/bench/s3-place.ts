// Where the S3 rows store: the sink, or a bucket of the bench's own on a real S3 server.

import { randomBytes } from 'node:crypto'
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  ListMultipartUploadsCommand,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3'
import { type Radosgw, removeLeftRadosgws, startRadosgw, whyNoRadosgw } from '../support/radosgw.js'
import type { S3Server } from '../support/s3.js'
import { Sink } from './sink/client.js'

/** What ours is told to begin its keys with; stock has none. */
export const S3_PREFIX = 'ours'
const DELETED_AT_ONCE = 1000

export interface S3Place {
  readonly bucket: string
  readonly client: S3Client
  /** Null for a real server. */
  readonly sink: Sink | null
  /** For a server under measurement, stock or ours: where to store, and with which credentials. */
  readonly environment: Readonly<Record<string, string>>
  /** Leaves nothing behind. */
  close(): Promise<void>
}

export async function openSink(): Promise<S3Place> {
  const sink = await Sink.start()
  const server = { endpoint: sink.endpoint, region: 'us-east-1', accessKey: 'sink', secretKey: 'sink' }
  const bucket = 'bench'
  const client = newClient(server)
  return {
    bucket,
    client,
    sink,
    environment: environmentOf(server, bucket),
    close: async () => {
      client.destroy()
      sink.stop()
    },
  }
}

/** A new bucket on the server of TEST_S3_ENDPOINT, or on a radosgw started for it. Throws an Error that says why there is none. */
export async function openRealS3(): Promise<S3Place> {
  const given = givenServer(process.env)
  const started = given === undefined ? await startOwn() : undefined
  const server = given ?? started
  if (server === undefined) throw new Error('There is no S3 server.')
  const bucket = `bench-${randomBytes(8).toString('hex')}`
  const client = newClient(server)
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }))
  } catch (error) {
    await started?.stop()
    throw error
  }
  return {
    bucket,
    client,
    sink: null,
    environment: environmentOf(server, bucket),
    close: async () => {
      // With a server of our own its bytes go too.
      if (started === undefined) await removeBucket(client, bucket)
      client.destroy()
      await started?.stop()
    },
  }
}

function givenServer(environment: NodeJS.ProcessEnv): S3Server | undefined {
  const { TEST_S3_ENDPOINT: endpoint } = environment
  const { TEST_S3_ACCESS_KEY: accessKey, TEST_S3_SECRET_KEY: secretKey } = environment
  if (!endpoint) return undefined
  if (!accessKey || !secretKey) {
    throw new Error('TEST_S3_ENDPOINT needs TEST_S3_ACCESS_KEY and TEST_S3_SECRET_KEY.')
  }
  return { endpoint, region: environment.TEST_S3_REGION || 'us-east-1', accessKey, secretKey }
}

async function startOwn(): Promise<Radosgw> {
  const missing = whyNoRadosgw()
  if (missing !== undefined) throw new Error(`TEST_S3_ENDPOINT is not set, and there is ${missing}.`)
  await removeLeftRadosgws()
  return startRadosgw()
}

function environmentOf(server: S3Server, bucket: string): Record<string, string> {
  return {
    STORE: 's3',
    S3_BUCKET: bucket,
    S3_REGION: server.region,
    S3_ENDPOINT: server.endpoint,
    S3_PREFIX,
    AWS_ACCESS_KEY_ID: server.accessKey,
    AWS_SECRET_ACCESS_KEY: server.secretKey,
  }
}

function newClient({ endpoint, region, accessKey, secretKey }: S3Server): S3Client {
  return new S3Client({
    endpoint,
    region,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
}

async function removeBucket(client: S3Client, bucket: string): Promise<void> {
  const place = { Bucket: bucket }
  for (;;) {
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand(place))
    if (Uploads.length === 0) break
    for (const { Key, UploadId } of Uploads) {
      await client.send(new AbortMultipartUploadCommand({ ...place, Key, UploadId }))
    }
  }
  for await (const page of paginateListObjectsV2({ client, pageSize: DELETED_AT_ONCE }, place)) {
    const objects = (page.Contents ?? []).map(({ Key }) => ({ Key }))
    if (objects.length > 0) {
      await client.send(new DeleteObjectsCommand({ ...place, Delete: { Objects: objects, Quiet: true } }))
    }
  }
  await client.send(new DeleteBucketCommand(place))
}
