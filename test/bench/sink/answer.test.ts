import type { IncomingHttpHeaders } from 'node:http'
import { expect, test } from '@jest/globals'
import { answerOf, type SinkAnswer } from './answer.js'
import { s3RequestOf } from './operation.js'
import { Shelf } from './shelf.js'
import { textsOf } from './xml.js'

interface Content {
  readonly headers?: IncomingHttpHeaders
  readonly body?: string
  /** Of a body too long to keep. */
  readonly bodyBytes?: number
}

function ask(shelf: Shelf, method: string, url: string, content: Content = {}): SinkAnswer {
  const request = s3RequestOf(method, url)
  if (request === undefined) throw new Error(`${method} ${url} is no request.`)
  const { headers = {}, body = '', bodyBytes } = content
  return answerOf(shelf, {
    ...request,
    headers,
    bodyBytes: bodyBytes ?? body.length,
    body: bodyBytes === undefined ? Buffer.from(body) : null,
  })
}

function begin(shelf: Shelf): string {
  const [uploadId = ''] = textsOf(String(ask(shelf, 'POST', '/b/big?uploads').body), 'UploadId')
  return uploadId
}

function complete(
  shelf: Shelf,
  uploadId: string,
  etags: readonly string[],
  declaredBytes?: string,
): SinkAnswer {
  const parts = etags.map((etag, index) => {
    return `<Part><ETag>${etag.replaceAll('"', '&quot;')}</ETag><PartNumber>${index + 1}</PartNumber></Part>`
  })
  return ask(shelf, 'POST', `/b/big?uploadId=${uploadId}`, {
    body: parts.join(''),
    ...(declaredBytes === undefined ? {} : { headers: { 'x-amz-mp-object-size': declaredBytes } }),
  })
}

test('a small object comes back with its metadata, whole and in ranges', () => {
  const shelf = new Shelf()
  ask(shelf, 'PUT', '/b/a.info', { body: 'hello', headers: { 'x-amz-meta-upload-id': 'u' } })
  const whole = ask(shelf, 'GET', '/b/a.info')
  expect(whole.status).toBe(200)
  expect(whole.headers['x-amz-meta-upload-id']).toBe('u')
  expect(String(whole.body)).toBe('hello')
  const range = ask(shelf, 'GET', '/b/a.info', { headers: { range: 'bytes=1-2' } })
  expect(range.status).toBe(206)
  expect(range.headers['Content-Range']).toBe('bytes 1-2/5')
  expect(String(range.body)).toBe('el')
})

test('a multipart object has the size of its named parts, and zeros for bytes', () => {
  const shelf = new Shelf()
  const uploadId = begin(shelf)
  const etags = [1, 2].map((part) => {
    const url = `/b/big?uploadId=${uploadId}&partNumber=${part}`
    return ask(shelf, 'PUT', url, { bodyBytes: 5_000_000 }).headers.ETag ?? ''
  })
  expect(textsOf(String(ask(shelf, 'GET', `/b/big?uploadId=${uploadId}`).body), 'Size')).toEqual([
    '5000000',
    '5000000',
  ])
  expect(complete(shelf, uploadId, etags, '10000000').status).toBe(200)
  expect(ask(shelf, 'HEAD', '/b/big').headers['Content-Length']).toBe('10000000')
  const head = ask(shelf, 'GET', '/b/big', { headers: { range: 'bytes=0-1023' } })
  expect(head.headers['Content-Range']).toBe('bytes 0-1023/10000000')
  expect(head.body).toBe(1024)
  expect(() => complete(shelf, uploadId, etags)).toThrow('no upload')
})

test('a completion that names other parts, or another size, is refused', () => {
  const shelf = new Shelf()
  const uploadId = begin(shelf)
  const url = `/b/big?uploadId=${uploadId}&partNumber=1`
  const { ETag: first = '' } = ask(shelf, 'PUT', url, { body: 'one' }).headers
  const { ETag: second = '' } = ask(shelf, 'PUT', url, { body: 'two' }).headers
  expect(() => complete(shelf, uploadId, [first])).toThrow('Part 1')
  expect(() => complete(shelf, uploadId, [second], '4')).toThrow('3 bytes, not 4')
  expect(complete(shelf, uploadId, [second], '3').status).toBe(200)
})

test('what was deleted or aborted is gone', () => {
  const shelf = new Shelf()
  ask(shelf, 'PUT', '/b/a', { body: 'a' })
  ask(shelf, 'PUT', '/b/b', { body: 'b' })
  ask(shelf, 'DELETE', '/b/a')
  ask(shelf, 'POST', '/b?delete', { body: '<Delete><Object><Key>b</Key></Object></Delete>' })
  const uploadId = begin(shelf)
  ask(shelf, 'DELETE', `/b/big?uploadId=${uploadId}`)
  expect(textsOf(String(ask(shelf, 'GET', '/b?list-type=2').body), 'Key')).toEqual([])
  expect(textsOf(String(ask(shelf, 'GET', '/b?uploads').body), 'UploadId')).toEqual([])
})
