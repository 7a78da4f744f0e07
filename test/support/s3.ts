// The run's real S3 server, and the suites that need it. What a test does with a bucket is s3-bucket.ts.

import { describe, test } from '@jest/globals'
import { whyNoRadosgw } from './radosgw.js'
import { createBucketOn, type S3Server, type TestBucket } from './s3-bucket.js'

export {
  connect,
  type OpenMultipart,
  type S3Server,
  type StoredObject,
  type TestBucket,
} from './s3-bucket.js'

/** The suite, on the run's S3 server; where there is none it is skipped by name, or fails where REQUIRE_S3=1. */
export function describeS3(name: string, suite: () => void): void {
  const missing = process.env.TEST_S3_ENDPOINT ? undefined : `no S3 server: ${whyNoS3()}`
  describeUnless(missing, name, suite)
}

/** The suite, for tests that start a radosgw of their own, to kill it. Otherwise as `describeS3`. */
export function describeRadosgw(name: string, suite: () => void): void {
  const missing = whyNoRadosgw()
  describeUnless(missing && `no gateway to kill: ${missing}`, name, suite)
}

function whyNoS3(): string {
  return process.env.TEST_S3_MISSING ?? 'TEST_S3_ENDPOINT is not set'
}

function describeUnless(missing: string | undefined, name: string, suite: () => void): void {
  if (missing === undefined) {
    describe(name, suite)
  } else if (process.env.REQUIRE_S3 === '1') {
    describe(name, () => {
      test('has an S3 server', () => {
        throw new Error(`REQUIRE_S3 is set, and there is ${missing}`)
      })
    })
  } else {
    // Jest's summary shows no names of skipped tests.
    console.warn(`Skipped: ${name}. There is ${missing}`)
    describe.skip(`${name} (skipped: no S3 server)`, suite)
  }
}

/** The run's server; throws when there is none. */
export function testS3(): S3Server {
  const { TEST_S3_ENDPOINT, TEST_S3_REGION, TEST_S3_ACCESS_KEY, TEST_S3_SECRET_KEY } = process.env
  if (!TEST_S3_ENDPOINT || !TEST_S3_REGION || !TEST_S3_ACCESS_KEY || !TEST_S3_SECRET_KEY) {
    throw new Error(`There is no S3 server: ${whyNoS3()}`)
  }
  return {
    endpoint: TEST_S3_ENDPOINT,
    region: TEST_S3_REGION,
    accessKey: TEST_S3_ACCESS_KEY,
    secretKey: TEST_S3_SECRET_KEY,
  }
}

/** A new bucket with nothing in it, on the run's server or on another. */
export async function createTestBucket(server: S3Server = testS3()): Promise<TestBucket> {
  return createBucketOn(server)
}
