// One bucket behind a proxy that can fail, one database, and as many servers on the two as a test wants.

import { setTimeout as sleep } from 'node:timers/promises'
import { AbortMultipartUploadCommand, NoSuchKey, NoSuchUpload } from '@aws-sdk/client-s3'
import { expect } from '@jest/globals'
import { createTestDatabase, withConnection } from '../support/database.js'
import { createTestBucket, type S3Server, type TestBucket } from '../support/s3.js'
import { type S3Proxy, startS3Proxy } from '../support/s3-proxy.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import { type Answer, problemCode, type RawTus } from './raw-tus.js'

/** The least part that the server makes; a file up to this is one object from the start. */
export const PART_BYTES = 16 * 1024 * 1024

export interface S3Ground {
  readonly bucket: TestBucket
  /** Between every server and the bucket. */
  readonly proxy: S3Proxy
  readonly databaseUrl: string
  /** Another server on this bucket and database; ends with the ground. */
  startInstance(env?: Readonly<Record<string, string>>): Promise<TestServer>
  /** What a command beside the servers needs to work on the same bucket and database. */
  readonly env: Readonly<Record<string, string>>
  rows<Row extends object>(sql: string, values?: readonly unknown[]): Promise<Row[]>
  /** Ends all leases now, for tests that would wait 10 s for those of a server that they have killed. */
  lapseLeases(): Promise<unknown>
  /** Everything in the bucket, a line each: "object KEY SIZE", "multipart KEY PARTS". */
  stored(): Promise<string[]>
  /** As a bucket's lifecycle rule does it: aborts every multipart upload in progress for `id`. @returns how many */
  abortMultiparts(id: string): Promise<number>
  /** Asserts that nothing in the bucket is named after `id`, now or in a moment, and that nothing comes after it. */
  expectNothingLeft(id: string): Promise<void>
  /** Deletes the upload, and asserts that nothing of it is left in the bucket. */
  expectNothingLeftAfterDeletion(tus: RawTus, id: string): Promise<void>
  dispose(): Promise<void>
}

/** @param at another S3 server than the run's own */
export async function newS3Ground(at?: S3Server): Promise<S3Ground> {
  const [bucket, database] = await Promise.all([createTestBucket(at), createTestDatabase()])
  const proxy = await startS3Proxy(bucket.endpoint)
  const servers: TestServer[] = []
  const env = {
    ...bucket.env({ endpoint: proxy.url }),
    DATABASE_URL: database.databaseUrl,
    // The sweep at each start is enough; another one in the middle would be counted.
    SWEEP_CRON: '0 0 1 1 *',
  }
  const rows = <Row extends object>(sql: string, values: readonly unknown[] = []) =>
    withConnection(
      database.databaseUrl,
      async (connection) => (await connection.query<Row>(sql, [...values])).rows,
    )

  /** Whatever another upload does meanwhile: one that is completed has no parts to be listed any more. */
  async function listed(): Promise<Awaited<ReturnType<TestBucket['list']>>> {
    for (;;) {
      try {
        return await bucket.list()
      } catch (error) {
        if (!(error instanceof NoSuchKey || error instanceof NoSuchUpload)) throw error
      }
    }
  }

  async function stored(): Promise<string[]> {
    const { objects, multiparts } = await listed()
    return [
      ...objects.map(({ key, sizeBytes }) => `object ${key} ${sizeBytes}`),
      ...multiparts.map(({ key, parts }) => `multipart ${key} ${parts.length}`),
    ].sort()
  }

  const storedOf = async (id: string) => (await stored()).filter((line) => line.includes(id))

  return {
    bucket,
    proxy,
    env,
    databaseUrl: database.databaseUrl,
    async startInstance(more = {}) {
      const server = await startServer({ env: { ...env, ...more } })
      servers.push(server)
      return server
    },
    rows,
    lapseLeases: () => rows('UPDATE uploads SET lease_until = now() WHERE lease_until > now()'),
    stored,
    async abortMultiparts(id) {
      const multiparts = (await listed()).multiparts.filter(({ key }) => key.includes(id))
      for (const { key, uploadId } of multiparts) {
        await bucket.client.send(
          new AbortMultipartUploadCommand({ Bucket: bucket.bucket, Key: key, UploadId: uploadId }),
        )
      }
      return multiparts.length
    },
    async expectNothingLeft(id) {
      // What is left is told below, by its name.
      await until(async () => (await storedOf(id)).length === 0).catch(() => {})
      await sleep(300)
      expect(await storedOf(id)).toEqual([])
    },
    async expectNothingLeftAfterDeletion(tus, id) {
      expect((await tus.remove(id)).status).toBe(204)
      expect((await tus.head(id)).status).toBe(410)
      expect(await storedOf(id)).toEqual([])
    },
    async dispose() {
      await Promise.all(servers.map((server) => server.dispose()))
      await proxy.close()
      await database.drop()
      await bucket.drop()
    },
  }
}

/** That S3 is away for now. Null is the connection's end: the client comes back after either. */
export function expectUnavailable(answer: Answer | null): void {
  if (answer === null) return
  expect([answer.status, problemCode(answer)]).toEqual([503, 'UNAVAILABLE'])
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
}
