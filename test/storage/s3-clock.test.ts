// A wrong wall clock of our process: S3 refuses what is signed more than 15 minutes off.

import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { Bucket } from '../../server/storage/s3-client.js'
import { createTestBucket, describeS3, type TestBucket } from '../support/s3.js'

const HOUR_MS = 3_600_000

describeS3('A process whose clock is set', () => {
  let there: TestBucket
  let bucket: Bucket

  beforeEach(async () => {
    there = await createTestBucket()
    bucket = new Bucket(there.settings())
  })
  afterEach(async () => {
    jest.restoreAllMocks()
    bucket.close()
    await there.drop()
  })

  test.each([
    ['forward', 2 * HOUR_MS],
    ['back', -48 * HOUR_MS],
  ])('%s, goes on: S3 is asked again, with the time that it has told', async (_, stepMs) => {
    const put = (key: string) =>
      bucket.send('PutObject', (abortSignal) =>
        bucket.client.putObject({ Bucket: bucket.name, Key: key, Body: 'bytes' }, { abortSignal }),
      )
    await put('before')
    const now = Date.now.bind(Date)
    jest.spyOn(Date, 'now').mockImplementation(() => now() + stepMs)
    await put('while')
    jest.restoreAllMocks()
    await put('after')
    const { objects } = await there.list()
    expect(objects.map(({ key }) => key)).toEqual(['after', 'before', 'while'])
  })
})
