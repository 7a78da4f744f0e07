// A full quota as clients meet it: by every way in, and in the words of the document.

import { createServer } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { DetailedError, Upload } from 'tus-js-client'
import { openApi } from '../../server/openapi.js'
import { type Answer, Description } from '../openapi/described.js'
import type { Ask } from '../openapi/exchange.js'
import { jsonOf, type Keys, keysOf, type Person, rowsOf } from '../rights/ground.js'
import { startServer, type TestServer } from '../support/server.js'

const description = new Description(openApi('0.0.0'))
const TUS = { 'Tus-Resumable': '1.0.0' }
const OFFSET_STREAM = { ...TUS, 'Content-Type': 'application/offset+octet-stream' }
const LIMIT = { bytes: 1000, files: 5, openUploads: 2 }

let server: TestServer
let keys: Keys
let ada: Person

beforeAll(async () => {
  server = await startServer({
    env: { QUOTA_BYTES: '1000', QUOTA_FILES: '5', QUOTA_OPEN_UPLOADS: '2', RATE_LIMIT_KEY: '10000/1m' },
  })
  keys = await keysOf(server)
  ada = await keys.make('ada')
})

afterAll(async () => {
  await keys?.close()
  await server?.dispose()
})

beforeEach(() =>
  rowsOf(server, 'TRUNCATE packages, parts, uploads, events, blobs, garbage, owner_usage CASCADE'),
)

interface Refused {
  status: number
  code: string
  detail: string
  details: unknown
}

/** The problem, when the answer is one that the document knows. */
function refusal(id: string, answer: Answer): Refused {
  expect(description.faultsOf(description.operation(id), answer)).toEqual([])
  const { status, code, detail, details } = JSON.parse(answer.body.toString()) as Refused
  expect(answer.status).toBe(status)
  // It isn't the credential that lacks something.
  expect(answer.headers['www-authenticate']).toBeUndefined()
  return { status, code, detail, details }
}

const WAYS: readonly (readonly [string, string, (sizeBytes: number) => Ask])[] = [
  [
    'tus',
    'createUpload',
    (size) => ({ method: 'POST', target: '/uploads', headers: { ...TUS, 'Upload-Length': String(size) } }),
  ],
  [
    'tus, with all its bytes',
    'createUpload',
    (size) => ({
      method: 'POST',
      target: '/uploads',
      headers: { ...OFFSET_STREAM, 'Upload-Length': String(size) },
      body: 'x'.repeat(size),
    }),
  ],
  [
    'tus, with some of its bytes',
    'createUpload',
    (size) => ({
      method: 'POST',
      target: '/uploads',
      headers: { ...OFFSET_STREAM, 'Upload-Length': String(size) },
      body: 'x',
    }),
  ],
  [
    'a session',
    'createUpload',
    (size) => ({
      method: 'POST',
      target: '/uploads',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ filename: 'a.csv', size }),
    }),
  ],
  [
    'one request',
    'createFile',
    (size) => ({ method: 'POST', target: '/files?filename=a.csv', body: 'x'.repeat(size) }),
  ],
  [
    'one request of unknown length',
    'createFile',
    (size) => ({
      method: 'POST',
      target: '/files?filename=a.csv',
      body: 'x'.repeat(size),
      isChunked: true,
    }),
  ],
  [
    'a form',
    'createFile',
    (size) => ({
      method: 'POST',
      target: '/files',
      headers: { 'Content-Type': 'multipart/form-data; boundary=b' },
      body: `--b\r\nContent-Disposition: form-data; name="file"; filename="f.csv"\r\n\r\n${'x'.repeat(size)}\r\n--b--\r\n`,
    }),
  ],
]

describe.each(WAYS)('by %s', (_, id, ask) => {
  test('bytes beyond the quota are refused, and nothing is kept', async () => {
    await ada.put('/files?filename=there.csv', 'y'.repeat(600))
    const answer = await ada.send(ask(401))
    expect(refusal(id, answer)).toEqual({
      status: 403,
      code: 'QUOTA_EXCEEDED',
      detail: expect.stringContaining('600 of at most 1000 bytes'),
      details: { quota: 'bytes', limit: 1000, used: 600 },
    })
    expect(await ada.get('/me')).toMatchObject({ usage: { bytes: 600, files: 1, open_uploads: 0 } })
    expect((await ada.send(ask(400))).status).toBe(201)
  })

  test('files beyond the quota are refused', async () => {
    for (let n = 0; n < 5; n += 1) await ada.put(`/files?filename=${n}`, `${n}`)
    expect(refusal(id, await ada.send(ask(1)))).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      details: { quota: 'files', limit: 5, used: 5 },
    })
  })
})

describe('unfinished uploads', () => {
  test('beyond the quota are refused, while whole files still come in', async () => {
    const begin = () => ada.json('POST', '/uploads', { filename: 'a.csv' })
    const { id } = jsonOf<{ id: string }>(await begin())
    jsonOf(await begin())
    expect(refusal('createUpload', await begin())).toMatchObject({
      detail: expect.stringMatching(/^You have 2 of at most 2 unfinished uploads\. Finish or delete one/),
      details: { quota: 'open_uploads', limit: 2, used: 2 },
    })
    await ada.put('/files?filename=whole.csv', 'whole')
    await ada.send({ method: 'DELETE', target: `/uploads/${id}` })
    expect((await begin()).status).toBe(201)
  })

  test('whose length is told late are refused when it is too long', async () => {
    const begun = await ada.send({
      method: 'POST',
      target: '/uploads',
      headers: { ...TUS, 'Upload-Defer-Length': '1' },
    })
    const target = String(begun.headers.location).replace(/^.*(?=\/uploads)/, '')
    const byTus = await ada.send({
      method: 'PATCH',
      target,
      headers: { ...OFFSET_STREAM, 'Upload-Offset': '0', 'Upload-Length': '1001' },
      body: 'x',
    })
    expect(refusal('appendOrChange', byTus)).toMatchObject({ code: 'QUOTA_EXCEEDED' })
    const byRange = await ada.send({
      method: 'PATCH',
      target,
      headers: { 'Content-Range': 'bytes 0-0/1001' },
      body: 'x',
    })
    expect(refusal('appendOrChange', byRange)).toMatchObject({ code: 'QUOTA_EXCEEDED' })
    // Nothing holds it, nothing of it is kept, and it goes on with less.
    const { headers } = await ada.send({ method: 'HEAD', target, headers: TUS })
    expect(headers['upload-offset']).toBe('0')
    const less = await ada.send({
      method: 'PATCH',
      target,
      headers: { 'Content-Range': 'bytes 0-2/3' },
      body: 'abc',
    })
    expect(less.status).toBe(200)
  })
})

test('GET /me tells the limits, and what is left of them is what is taken', async () => {
  expect(await ada.get('/me')).toMatchObject({
    usage: { bytes: 0, files: 0, open_uploads: 0 },
    limits: {
      bytes: LIMIT.bytes,
      files: LIMIT.files,
      open_uploads: LIMIT.openUploads,
      rate: { requests: 10_000, window_seconds: 60 },
    },
  })
  jsonOf(await ada.json('POST', '/uploads', { filename: 'a.csv', size: 300 }))
  await ada.put('/files?filename=b.csv', 'bytes')
  expect(await ada.get('/me')).toMatchObject({ usage: { bytes: 305, files: 2, open_uploads: 1 } })
})

test('tus-js-client tells its user, and does not try again and again', async () => {
  let requests = 0
  const front = createServer((request, response) => {
    requests += 1
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', async () => {
      const headers: Record<string, string> = {}
      for (const [name, value] of Object.entries(request.headers)) {
        if (typeof value === 'string' && name !== 'connection') headers[name] = value
      }
      const answer = await ada.send({
        method: request.method ?? '',
        target: request.url ?? '',
        headers,
        body: Buffer.concat(chunks),
      })
      response.writeHead(answer.status, { 'Content-Type': 'application/problem+json' }).end(answer.body)
    })
  }).listen(0, '127.0.0.1')
  try {
    await new Promise((resolve) => front.once('listening', resolve))
    const address = front.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const error = await new Promise<unknown>((resolve, reject) => {
      const upload = new Upload(Buffer.alloc(2000), {
        endpoint: `http://127.0.0.1:${port}/uploads`,
        retryDelays: [0, 10, 10, 10],
        headers: { 'X-API-Key': ada.key ?? '' },
        onError: resolve,
        onSuccess: () => reject(new Error('It was taken.')),
      })
      upload.start()
    })
    if (!(error instanceof DetailedError)) throw error
    expect(error.originalResponse?.getStatus()).toBe(403)
    expect(JSON.parse(error.originalResponse?.getBody() ?? '')).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      detail: expect.stringContaining('GET /me'),
    })
    expect(requests).toBe(1)
  } finally {
    front.close()
    front.closeAllConnections()
  }
})
