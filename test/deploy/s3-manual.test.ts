// The documents in docs/s3.md that an operator copies: that they parse, and say what the server does.

import { readFileSync } from 'node:fs'
import { PutBucketCorsCommand, PutBucketLifecycleConfigurationCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { readConfig } from '../../server/config.js'
import { createTestBucket, describeS3, type TestBucket } from '../support/s3.js'

const read = (file: string) => readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8')
const manual = read('docs/s3.md')

/** The JSON block after `<!-- name -->`. */
function block(name: string) {
  const text = manual.split(`<!-- ${name} -->`)[1]?.match(/^\s*```json\n(.*?)```/s)?.[1]
  if (text === undefined) throw new Error(`docs/s3.md has no block ${name}.`)
  return JSON.parse(text)
}

const [policy, lifecycle, cors] = ['policy', 'lifecycle', 'cors'].map(block)

test('every JSON block is one of those that are checked here', () => {
  expect(manual.match(/```json/g)).toHaveLength(3)
})

test('the policy allows exactly what the start proves', () => {
  const proved = [...read('server/storage/s3-rights.ts').matchAll(/name: '(s3:\w+)',\s*on: '(\w+)'/g)].map(
    ([, action, on]) => `${action} on ${on}`,
  )
  const allowed = policy.Statement.flatMap((statement: { Action: string[]; Resource: string }) =>
    statement.Action.map(
      (action) => `${action} on ${statement.Resource.endsWith('/antipasto/*') ? 'objects' : 'bucket'}`,
    ),
  )
  expect(proved.length).toBeGreaterThan(4)
  expect(allowed.sort()).toEqual(proved.sort())
})

test('the lifecycle rule is for our multipart uploads alone, and longer than the default UPLOAD_TTL', () => {
  const { s3Prefix, uploadTtlSeconds } = readConfig({})
  expect(lifecycle.Rules).toHaveLength(1)
  const [rule] = lifecycle.Rules
  expect(rule.Filter).toEqual({ Prefix: `${s3Prefix}/objects/` })
  expect(rule.AbortIncompleteMultipartUpload.DaysAfterInitiation * 86_400).toBeGreaterThan(uploadTtlSeconds)
  expect(rule.Expiration).toBeUndefined()
})

describe('the settings that it names', () => {
  test.each([
    ['AWS', { S3_REGION: 'us-west-2' }],
    ['Ceph', { S3_ENDPOINT: 'https://ceph.example.org' }],
    ['Garage', { S3_ENDPOINT: 'http://garage:3900', S3_REGION: 'garage' }],
    ['MinIO', { S3_ENDPOINT: 'https://minio.example.org' }],
    ['Cloudflare R2', { S3_ENDPOINT: 'https://ACCOUNT.r2.cloudflarestorage.com', S3_REGION: 'auto' }],
  ])('for %s are taken', (provider, settings) => {
    const section = manual.split(`\n## ${provider}\n`)[1]?.split('\n## ')[0]
    for (const [name, value] of Object.entries({ ...settings, S3_BUCKET: 'my-bucket' })) {
      expect(section).toContain(`${name}=${value}`)
    }
    expect(readConfig({ ...settings, STORE: 's3', S3_BUCKET: 'my-bucket' }).s3Region).not.toBe('')
  })
})

describeS3('a real S3 server', () => {
  let bucket: TestBucket
  beforeAll(async () => {
    bucket = await createTestBucket()
  })
  afterAll(() => bucket.drop())

  test('takes the lifecycle rule and the CORS rule', async () => {
    const Bucket = bucket.bucket
    await bucket.client.send(
      new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: lifecycle }),
    )
    await bucket.client.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: cors }))
    expect(await bucket.list()).toEqual({ objects: [], multiparts: [] })
  })
})
