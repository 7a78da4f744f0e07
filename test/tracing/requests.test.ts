// A real server, a real bucket, and a collector that keeps every byte.

import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { bodyOf, RestClient } from '../dialects/rest-client.js'
import { rawTus } from '../end-to-end/raw-tus.js'
import { createTestBucket, describeS3, type TestBucket } from '../support/s3.js'
import { startServer, type TestServer } from '../support/server.js'
import { type CollectedSpan, type Collector, pathTo, startCollector } from './collector.js'

const MIB = 1024 * 1024
const COLLECTOR_KEY = 'collector-key-0123456789'

describeS3('Traced requests', () => {
  let collector: Collector
  let bucket: TestBucket
  let server: TestServer
  let rest: RestClient

  beforeAll(async () => {
    collector = await startCollector()
    bucket = await createTestBucket()
    server = await startServer({
      env: {
        ...bucket.env(),
        RETRIEVAL_MODE: 'redirect',
        WEBHOOK_PRIVATE_ADDRESSES: 'true',
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_HEADERS: `x-collector-key=${COLLECTOR_KEY}`,
        OTEL_SERVICE_NAME: 'antipasto-under-test',
      },
    })
    rest = new RestClient(server)
  })
  afterAll(async () => {
    await server?.dispose()
    await bucket?.drop()
    await collector?.close()
  })

  const ofTrace = (traceId: string) => collector.spans().filter((span) => span.traceId === traceId)

  /** The request's span, which ends after all that it waited for. */
  const rootOf = (traceId: string) => collector.waitFor((span) => span.traceId === traceId && span.kind === 2)

  function newCaller(): { traceId: string; spanId: string; header: string } {
    const [traceId, spanId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')]
    return { traceId, spanId, header: `00-${traceId}-${spanId}-01` }
  }

  test('A PATCH of 12 MiB is one tree, from the request to the parts in S3, under the trace of its client', async () => {
    const client = rawTus(server)
    const id = await client.create(20 * MIB)
    // A piece, which the next one takes into its first part.
    expect((await client.patch(id, 0, randomBytes(8 * MIB)))?.status).toBe(204)
    const caller = newCaller()
    const answer = await client.patch(id, 8 * MIB, randomBytes(12 * MIB), { traceparent: caller.header })
    expect(answer?.status).toBe(204)

    const root = await rootOf(caller.traceId)
    const spans = ofTrace(caller.traceId)
    const paths = spans.map((span) => pathTo(span, spans).join(' > '))
    const request = 'PATCH /uploads/{id}'
    expect(paths).toContain(request)
    expect(paths).toContain(`${request} > lease.claim`)
    expect(paths).toContain(`${request} > upload.receive > digests.finish`)
    const receiving = `${request} > upload.receive`
    expect(paths).toContain(`${receiving} > store.part > S3/CreateMultipartUpload`)
    const parts = paths.filter((path) => path === `${receiving} > store.part > S3/UploadPart`)
    expect(parts).toHaveLength(2)
    expect(paths).toContain(`${receiving} > store.part > S3/UploadPart > S3/GetObject`)
    const finishing = `${receiving} > upload.finish`
    expect(paths).toContain(`${finishing} > store.complete > S3/CompleteMultipartUpload`)
    expect(paths).toContain(`${finishing} > store.readObjectHead > S3/GetObject`)
    // Nothing has lost its way.
    const places = [request, `${request} > lease.claim`, receiving]
    const strays = paths.filter((path) => !places.includes(path) && !path.startsWith(`${receiving} > `))
    expect(strays).toEqual([])

    expect(root).toMatchObject({
      parentSpanId: caller.spanId,
      isError: false,
      resource: { 'service.name': 'antipasto-under-test' },
      attributes: {
        'http.request.method': 'PATCH',
        'http.route': '/uploads/{id}',
        'url.path': `/uploads/${id}`,
        'http.response.status_code': 204,
        'antipasto.upload.id': id,
        'antipasto.request.id': answer?.headers['x-request-id'],
      },
    })
    const part = spans.find(({ name }) => name === 'S3/UploadPart')
    expect(part).toMatchObject({
      kind: 3,
      attributes: {
        'rpc.system.name': 'aws-api',
        'rpc.method': 'S3/UploadPart',
        'aws.s3.bucket': bucket.bucket,
      },
    })
    const sentBytes = spans
      .filter(({ name }) => name === 'store.part')
      .reduce((sum, { attributes }) => sum + Number(attributes['antipasto.size_bytes']), 0)
    expect(sentBytes).toBe(20 * MIB)
  })

  test('The lines of the log say which trace and span they belong to', async () => {
    const caller = newCaller()
    await rest.send('GET', '/me', { traceparent: caller.header })
    const root = await rootOf(caller.traceId)
    const lines = server
      .logs()
      .split('\n')
      .filter((line) => line.includes(caller.traceId))
      .map((line) => JSON.parse(line))
    expect(lines).toMatchObject([{ msg: 'request', path: '/me', span_id: root.spanId }])
  })

  test('A file in a form, whose bytes come by events, stays in the trace of its request', async () => {
    const caller = newCaller()
    const form = [
      '--edge\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n',
      'x'.repeat(300_000),
      '\r\n--edge--\r\n',
    ].join('')
    const answer = await rest.send(
      'POST',
      '/files',
      { 'Content-Type': 'multipart/form-data; boundary=edge', traceparent: caller.header },
      Buffer.from(form),
    )
    expect(answer.status).toBe(201)
    await rootOf(caller.traceId)
    const spans = ofTrace(caller.traceId)
    expect(spans.map((span) => pathTo(span, spans).join(' > '))).toContain(
      'POST /files > upload.receive > store.part > S3/PutObject',
    )
  })

  test('Without a caller a request begins a trace; a refusal is told by its code, and is no error of ours', async () => {
    const answer = await rest.send('GET', '/uploads/0000000000000000000000000000000000000000')
    expect(answer.status).toBe(404)
    const span = await collector.waitFor(
      ({ attributes }) => attributes['antipasto.problem.code'] === 'NOT_FOUND',
    )
    expect(span).toMatchObject({
      name: 'GET /uploads/{id}',
      parentSpanId: undefined,
      isError: false,
      attributes: { 'http.response.status_code': 404 },
    })
  })

  test('The sweep is a trace of its own', async () => {
    expect(await collector.waitFor(({ name }) => name === 'sweep')).toMatchObject({ parentSpanId: undefined })
  })

  test('A webhook that is sent is a trace of its own, which tells nothing of its URL', async () => {
    // Nobody listens on the discard port.
    const url = 'http://127.0.0.1:9/hooks/secret-in-the-path'
    expect((await rest.json('POST', '/webhooks', { url })).status).toBe(201)
    const bytes = randomBytes(100)
    expect((await rest.send('POST', '/files', { 'Content-Type': 'text/plain' }, bytes)).status).toBe(201)
    expect(await collector.waitFor(({ name }) => name === 'webhook.send')).toMatchObject({
      parentSpanId: undefined,
      kind: 3,
      isError: true,
      attributes: { 'error.type': 'NO_ANSWER', 'antipasto.event.type': expect.stringMatching(/^upload\./) },
    })
    expect(collector.bytes()).not.toContain('secret-in-the-path')
  })

  test('Health is not traced, and the collector gets its key', async () => {
    await rest.send('GET', '/readyz')
    await rest.send('GET', '/sign-in')
    await collector.waitFor(({ name }) => name === 'GET /sign-in')
    expect(collector.spans().filter(({ attributes }) => /z$/.test(String(attributes['url.path'])))).toEqual(
      [],
    )
    expect(collector.requests[0]).toMatchObject({
      path: '/v1/traces',
      headers: { 'x-collector-key': COLLECTOR_KEY },
    })
  })

  test('No secret, no name and no byte of anybody is in what is exported', async () => {
    const token27 = randomBytes(20).toString('base64url')
    const marker = `marker-${randomBytes(12).toString('hex')}`
    const made = await rest.send(
      'POST',
      '/files',
      {
        'Content-Type': 'text/plain',
        'Content-Disposition': `attachment; filename="${marker}.txt"`,
        'User-Agent': `${marker}-agent`,
        'X-Request-ID': `ap_${token27}`,
      },
      Buffer.from(`${marker} in the bytes`),
    )
    expect(made.status).toBe(201)
    const { retrieval_url: retrievalUrl } = bodyOf(made)
    expect(retrievalUrl).not.toBeNull()
    const { pathname } = new URL(String(retrievalUrl))
    const token = String(pathname.split('/')[2])
    const caller = newCaller()
    const pulled = await rest.send('GET', pathname, { traceparent: caller.header })
    expect(pulled.status).toBe(302)
    const presigned = new URL(String(pulled.headers.location))
    await rest.send('GET', `/me?token=${marker}-query`)
    await rest.send('GET', `/nowhere/eyJhbGciOiJFUzI1NiJ9.${marker.replaceAll('-', '')}`)
    await rest.send('DELETE', `/api-keys/${server.key}`)
    const seen = await rootOf(caller.traceId)
    expect(seen.attributes).toMatchObject({ 'http.route': '/r/{token}/{filename}' })
    await collector.waitFor(({ name }) => name === 'DELETE /api-keys/{id}')

    const exported = collector.bytes()
    const secrets: Record<string, string> = {
      'the API key': server.key,
      'a key in the place of an id': token27,
      'the retrieval token': token,
      'a presigned signature': String(presigned.searchParams.get('X-Amz-Signature')),
      'any presigned URL': 'X-Amz-',
      "S3's secret key": bucket.secretKey,
      "the collector's key": COLLECTOR_KEY,
      'a JWT': 'eyJ',
      'what a client named or sent': marker.slice(0, 31),
    }
    expect(Object.keys(secrets).filter((what) => exported.includes(String(secrets[what])))).toEqual([])
  })
})

describe('A collector in trouble', () => {
  const tellings = (server: TestServer) =>
    server
      .logs()
      .split('\n')
      .filter((line) => line.includes('traces can not be sent'))

  test('that is away costs no request, and one line of the log', async () => {
    // Nobody listens on the discard port.
    const server = await startServer({
      env: { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:9/v1/traces' },
    })
    try {
      const rest = new RestClient(server)
      const sendOne = () => rest.send('POST', '/files', { 'Content-Type': 'text/plain' }, randomBytes(1000))
      while (tellings(server).length === 0) expect((await sendOne()).status).toBe(201)
      // At least one more batch fails at the stop.
      expect((await sendOne()).status).toBe(201)
      expect(await server.stop()).toBe(0)
      expect(tellings(server)).toHaveLength(1)
    } finally {
      await server.dispose()
    }
  })

  test('that never answers does not keep the server from stopping', async () => {
    const silent = await startCollector({ answers: false })
    const server = await startServer({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: silent.url } })
    try {
      expect((await new RestClient(server).send('GET', '/me')).status).toBe(200)
      const startedAtMs = performance.now()
      expect(await server.stop()).toBe(0)
      expect(performance.now() - startedAtMs).toBeLessThan(8000)
      expect(silent.requests.length).toBeGreaterThan(0)
    } finally {
      await server.dispose()
      await silent.close()
    }
  })
})

describe('A stop', () => {
  test('sends the spans that wait', async () => {
    const collector = await startCollector()
    const server = await startServer({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } })
    try {
      const bytes = randomBytes(2000)
      const made = await new RestClient(server).send(
        'POST',
        '/files',
        { 'Content-Type': 'text/plain' },
        bytes,
      )
      expect(made.status).toBe(201)
      expect(await server.stop()).toBe(0)
      const spans = collector.spans()
      const paths = spans.map((span: CollectedSpan) => pathTo(span, spans).join(' > '))
      expect(paths).toContain('POST /files > upload.take > store.putObject')
    } finally {
      await server.dispose()
      await collector.close()
    }
  })
})
