import { expect, test } from '@jest/globals'
import { s3RequestOf } from './operation.js'

test.each([
  ['HEAD', '/bucket', 'HeadBucket', ''],
  ['HEAD', '/bucket/', 'HeadBucket', ''],
  ['GET', '/bucket?list-type=2&prefix=a%2F', 'ListObjectsV2', ''],
  ['GET', '/bucket?uploads', 'ListMultipartUploads', ''],
  ['POST', '/bucket/?delete=', 'DeleteObjects', ''],
  ['POST', '/bucket/a/b?uploads=', 'CreateMultipartUpload', 'a/b'],
  ['PUT', '/bucket/a/b?partNumber=1&uploadId=u&x-id=UploadPart', 'UploadPart', 'a/b'],
  ['GET', '/bucket/a?uploadId=u', 'ListParts', 'a'],
  ['POST', '/bucket/a?uploadId=u', 'CompleteMultipartUpload', 'a'],
  ['DELETE', '/bucket/a?uploadId=u', 'AbortMultipartUpload', 'a'],
  ['PUT', '/bucket/a%20b?x-id=PutObject', 'PutObject', 'a b'],
  ['GET', '/bucket/a', 'GetObject', 'a'],
  ['HEAD', '/bucket/a', 'HeadObject', 'a'],
  ['DELETE', '/bucket/a', 'DeleteObject', 'a'],
])('%s %s is %s', (method, url, operation, key) => {
  expect(s3RequestOf(method, url)).toMatchObject({ operation, key })
})

test.each([
  ['PUT', '/bucket'],
  ['POST', '/bucket/a'],
  ['PATCH', '/bucket/a'],
])('%s %s is nothing that the sink knows', (method, url) => {
  expect(s3RequestOf(method, url)).toBeUndefined()
})
