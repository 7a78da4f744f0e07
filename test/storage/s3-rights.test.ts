import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { Bucket } from '../../server/storage/s3-client.js'
import type { S3Symptom } from '../../server/storage/s3-errors.js'
import { explain, proveRights } from '../../server/storage/s3-rights.js'
import { createTestBucket, describeS3, type TestBucket } from '../support/s3.js'
import { bucketBehind, type Exchange, type Front, fail, QUICK, startFront } from './s3-front.js'

describeS3('opening a bucket', () => {
  let there: TestBucket
  let front: Front
  let bucket: Bucket
  beforeEach(async () => {
    there = await createTestBucket()
    front = await startFront(there.endpoint)
    bucket = bucketBehind(front, { bucket: there.bucket })
  })
  afterEach(async () => {
    bucket.close()
    await front.close()
    await there.drop()
  })

  /** As a policy would that doesn't allow these. */
  function deny(isDenied: (what: { method: string; url: URL }) => boolean): void {
    front.answer = (exchange: Exchange) => {
      const { method = '', url = '' } = exchange.request
      if (isDenied({ method, url: new URL(url, 'http://x') })) fail(exchange, 403, 'AccessDenied')
      else exchange.forward()
    }
  }

  test('proves every right by using it, and leaves nothing behind', async () => {
    expect(await proveRights(bucket)).toEqual({ canCopyParts: true })
    expect(await there.list()).toEqual({ objects: [], multiparts: [] })
    expect(front.seen.map((line) => line.split(' ')[0])).toEqual([
      'GET',
      'PUT',
      'POST',
      'GET',
      'PUT',
      'DELETE',
      'GET',
      'DELETE',
    ])
    for (const line of front.seen) expect(decodeURIComponent(line)).toMatch(/antipasto\/(tmp|objects)\//)
  })

  test.each<[string, string, Parameters<typeof deny>[0]]>([
    ['s3:ListBucket', '', ({ url }) => url.searchParams.has('list-type')],
    ['s3:PutObject', '/antipasto/*', ({ method }) => method === 'PUT'],
    ['s3:PutObject', '/antipasto/*', ({ method }) => method === 'POST'],
    ['s3:GetObject', '/antipasto/*', ({ url, method }) => method === 'GET' && url.pathname.includes('probe')],
    [
      's3:DeleteObject',
      '/antipasto/*',
      ({ url, method }) => method === 'DELETE' && !url.search.includes('uploadId'),
    ],
    [
      's3:ListBucketMultipartUploads',
      '',
      ({ url }) => url.searchParams.has('uploads') && !url.pathname.includes('objects'),
    ],
    [
      's3:AbortMultipartUpload',
      '/antipasto/*',
      ({ url, method }) => method === 'DELETE' && url.search.includes('uploadId'),
    ],
  ])('names %s when it is missing', async (name, path, isDenied) => {
    deny(isDenied)
    await expect(proveRights(bucket)).rejects.toMatchObject({
      name: 'AppError',
      code: 'UNAVAILABLE',
      detail: `The S3 credentials may not do all that is needed. Allow them: ${name} on arn:aws:s3:::${there.bucket}${path}.`,
    })
  })

  test('names all that is missing at once', async () => {
    deny(() => true)
    const of = `arn:aws:s3:::${there.bucket}`
    await expect(proveRights(bucket)).rejects.toMatchObject({
      detail: `The S3 credentials may not do all that is needed. Allow them: s3:ListBucket on ${of}, s3:PutObject on ${of}/antipasto/*, s3:GetObject on ${of}/antipasto/*, s3:DeleteObject on ${of}/antipasto/*, s3:ListBucketMultipartUploads on ${of}.`,
    })
  })

  describe('that does not copy parts', () => {
    /** Every copy is answered so. */
    function answerCopies(answer: (exchange: Exchange) => void): void {
      front.answer = (exchange) => {
        if (exchange.request.headers['x-amz-copy-source'] !== undefined) answer(exchange)
        else exchange.forward()
      }
    }
    const say = (status: number, body: string) => (exchange: Exchange) => {
      exchange.request.resume()
      exchange.response.writeHead(status, { 'content-type': 'application/xml' }).end(body)
    }

    test.each<[string, (exchange: Exchange) => void]>([
      ['does not know how', (exchange) => fail(exchange, 501, 'NotImplemented')],
      ['does not understand', (exchange) => fail(exchange, 400, 'InvalidArgument')],
      ['does not let us', (exchange) => fail(exchange, 403, 'AccessDenied')],
      ['does not find the source', (exchange) => fail(exchange, 404, 'NoSuchKey')],
      ['takes it for a part without bytes', say(200, '')],
      ['answers something else', say(200, '<Strange/>')],
      ['says nothing but no', say(405, '')],
    ])('since it %s: said, and everything else works', async (_, answer) => {
      answerCopies(answer)
      expect(await proveRights(bucket)).toEqual({ canCopyParts: false })
      expect(await there.list()).toEqual({ objects: [], multiparts: [] })
    })

    test('for a moment is asked again', async () => {
      let refusals = 0
      answerCopies((exchange) => {
        if (refusals++ < 3) fail(exchange, 503, 'SlowDown')
        else exchange.forward()
      })
      expect(await proveRights(bucket)).toEqual({ canCopyParts: true })
    })

    test('since it is in trouble for longer is not opened', async () => {
      const impatient = bucketBehind(front, { bucket: there.bucket, timing: { ...QUICK, startMs: 300 } })
      answerCopies((exchange) => fail(exchange, 503, 'SlowDown'))
      await expect(proveRights(impatient)).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        detail: expect.stringContaining('does not serve (SlowDown 503'),
      })
      impatient.close()
    })
  })

  test('says that there is no such bucket', async () => {
    const nowhere = bucketBehind(front, { bucket: 'antipasto-no-such-bucket' })
    await expect(proveRights(nowhere)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      detail: `The S3 server ${front.endpoint} has no bucket "antipasto-no-such-bucket". Make it, or mend S3_BUCKET.`,
    })
    nowhere.close()
  })

  test.each<[string, Record<string, string>, string]>([
    ['a key', { AWS_ACCESS_KEY_ID: 'nobody' }, 'does not know the key AWS_ACCESS_KEY_ID'],
    ['a secret', { AWS_SECRET_ACCESS_KEY: 'wrong' }, 'Mend AWS_SECRET_ACCESS_KEY'],
  ])('says that %s is refused', async (_, environment, says) => {
    const before = { ...process.env }
    Object.assign(process.env, environment)
    const stranger = bucketBehind(front, { bucket: there.bucket })
    try {
      await expect(proveRights(stranger)).rejects.toMatchObject({ detail: expect.stringContaining(says) })
    } finally {
      stranger.close()
      Object.assign(process.env, before)
    }
  })

  test('waits for a server that is not up yet', async () => {
    let isUp = false
    setTimeout(() => {
      isUp = true
    }, 700)
    front.answer = (exchange) => {
      if (isUp) exchange.forward()
      else exchange.response.destroy()
    }
    await proveRights(bucket)
    expect(front.seen.length).toBeGreaterThan(12)
  })

  test('says that what answers is not S3', async () => {
    front.answer = ({ response }) => response.writeHead(404).end('<html><p>nginx</html>')
    await expect(proveRights(bucket)).rejects.toMatchObject({
      detail: `What answers as the S3 server ${front.endpoint} is not S3 (404). Mend S3_ENDPOINT or S3_FORCE_PATH_STYLE.`,
    })
  })
})

describe('what is wrong with S3 is said with the setting to mend', () => {
  const settings = {
    bucket: 'a-bucket',
    region: 'us-east-1',
    prefix: 'antipasto',
    forcePathStyle: false,
    checksums: 'WHEN_REQUIRED',
  } as const
  const nothing: S3Symptom = {
    code: undefined,
    httpStatus: undefined,
    connection: undefined,
    requestId: undefined,
    message: 'it says',
  }
  test.each<[string, Partial<S3Symptom>, RegExp]>([
    [
      'a server that is away',
      { connection: 'ECONNREFUSED' },
      /cannot be reached \(ECONNREFUSED: it says\).*S3_ENDPOINT/,
    ],
    [
      'no credentials',
      { connection: 'CredentialsProviderError' },
      /Set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY/,
    ],
    ['old credentials', { code: 'ExpiredToken', httpStatus: 400 }, /have expired.*AWS_SESSION_TOKEN/],
    ['a wrong clock', { code: 'RequestTimeTooSkewed', httpStatus: 403 }, /clock is wrong/],
    [
      'another region',
      { code: 'AuthorizationHeaderMalformed', httpStatus: 400 },
      /S3_REGION=us-east-1.*it says/,
    ],
    ['a redirect', { code: 'PermanentRedirect', httpStatus: 301 }, /another region than S3_REGION/],
    ['a bare redirect', { httpStatus: 301 }, /elsewhere.*S3_REGION or S3_ENDPOINT/],
    [
      'a lasting failure',
      { code: 'InternalError', httpStatus: 500 },
      /does not serve \(InternalError 500: it says\)/,
    ],
  ])('%s', (_, symptom, says) => {
    expect(explain({ ...nothing, ...symptom }, settings)).toMatch(says)
  })

  test('a server that never comes is given up', async () => {
    const front = await startFront()
    await front.close()
    const bucket = bucketBehind(front, { timing: { ...QUICK, startMs: 400 } })
    const startedAt = performance.now()
    await expect(proveRights(bucket)).rejects.toMatchObject({
      detail: expect.stringContaining('cannot be reached'),
    })
    expect(performance.now() - startedAt).toBeGreaterThan(300)
    bucket.close()
  })
})
