// A real server does what servers do, and its metrics say how much of it.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { RestClient } from '../dialects/rest-client.js'
import { type RawTus, rawTus } from '../end-to-end/raw-tus.js'
import { withConnection } from '../support/database.js'
import { METRICS_TOKEN, type Sample, samplesOf, scrape, sumOf } from '../support/metrics-text.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import { type Receiver, startReceiver } from '../webhooks/receiver.js'

const MIB = 1024 * 1024
const SMALL = Buffer.from('a,b\n')

let server: TestServer
let client: RestClient
let tus: RawTus
let receiver: Receiver

beforeAll(async () => {
  receiver = await startReceiver()
  server = await startServer({
    env: {
      METRICS_TOKEN,
      SWEEP_CRON: '* * * * * *',
      QUOTA_BYTES: '64MiB',
      WEBHOOK_PRIVATE_ADDRESSES: 'true',
    },
  })
  client = new RestClient(server)
  tus = rawTus(server)
})

afterAll(async () => {
  await server?.dispose()
  await receiver?.close()
})

/** What `name` grew by between two scrapes; a series that wasn't there was 0. */
function grown(before: Sample[], after: Sample[], name: string, labels: Record<string, string> = {}): number {
  return sumOf(after, `antipasto_${name}`, labels) - (sumOf(before, `antipasto_${name}`, labels) || 0)
}

/** The growth while `act` runs. A request is counted when its connection has its answer: so `counted` is waited for. */
async function during(
  act: () => Promise<unknown>,
  counted: readonly [name: string, labels?: Record<string, string>],
): Promise<(name: string, labels?: Record<string, string>) => number> {
  const before = await scrape(server.url)
  await act()
  let after = before
  await until(async () => {
    after = await scrape(server.url)
    return grown(before, after, ...counted) > 0
  })
  return (name, labels = {}) => grown(before, after, name, labels)
}

test('a small file in one request', async () => {
  const by = await during(
    () => client.send('POST', '/files?filename=a.csv', { 'Content-Type': 'text/csv' }, SMALL),
    ['http_requests_total', { operation: 'createFile', method: 'POST', status: '201' }],
  )
  expect({
    requests: by('http_requests_total', { operation: 'createFile' }),
    durations: by('http_request_duration_seconds_count', { operation: 'createFile' }),
    bodies: by('upload_body_duration_seconds_count'),
    acknowledged: by('uploads_acknowledged_bytes_total'),
    inline: by('digest_inline_bytes_total'),
    ready: by('uploads_finished_total', { outcome: 'ready' }),
    objects: by('store_duration_seconds_count', { operation: 'putObject', outcome: 'ok' }),
  }).toEqual({
    requests: 1,
    durations: 1,
    bodies: 1,
    acknowledged: SMALL.byteLength,
    inline: SMALL.byteLength,
    ready: 1,
    objects: 1,
  })
})

test('a tus upload in two PATCHes', async () => {
  const source = Buffer.alloc(3 * MIB + 7, 'x')
  const by = await during(async () => {
    const id = await tus.create(source.byteLength)
    await tus.patch(id, 0, source.subarray(0, 2 * MIB))
    await tus.patch(id, 2 * MIB, source.subarray(2 * MIB))
    expect((await tus.report(id)).state).toBe('ready')
  }, ['http_requests_total', { operation: 'getUpload' }])
  expect(by('http_requests_total', { operation: 'appendOrChange', status: '204' })).toBe(2)
  expect(by('upload_body_duration_seconds_count')).toBe(2)
  expect(by('uploads_acknowledged_bytes_total')).toBe(source.byteLength)
  expect(by('digest_bytes_total')).toBe(source.byteLength)
  expect(by('store_duration_seconds_count', { operation: 'complete', outcome: 'ok' })).toBe(1)
  expect(by('http_received_bytes_total')).toBeGreaterThan(source.byteLength)
  expect(by('http_received_bytes_total')).toBeLessThan(source.byteLength + 20_000)
})

test('bytes are seen while they come, and a body that is cut counts what was kept of it', async () => {
  const id = await tus.create(8 * MIB)
  const before = await scrape(server.url)
  const patch = tus.startPatch(id, 0, 8 * MIB)
  await patch.write(Buffer.alloc(2 * MIB))
  let running = before
  await until(async () => {
    running = await scrape(server.url)
    return grown(before, running, 'http_received_bytes_total') >= 2 * MIB
  })
  expect(sumOf(running, 'antipasto_uploads_in_flight')).toBe(1)
  expect(sumOf(running, 'antipasto_leases_held')).toBe(1)
  // The scrape itself is one.
  expect(sumOf(running, 'antipasto_http_requests_in_flight')).toBe(2)
  patch.cut()
  await until(async () => {
    const after = await scrape(server.url)
    return (
      grown(before, after, 'uploads_acknowledged_bytes_total') === 2 * MIB &&
      grown(before, after, 'http_requests_aborted_total', { operation: 'appendOrChange' }) === 1 &&
      sumOf(after, 'antipasto_uploads_in_flight') === 0 &&
      sumOf(after, 'antipasto_leases_held') === 0
    )
  })
})

test('a newer request that takes an upload over', async () => {
  const id = await tus.create(4 * MIB)
  const older = tus.startPatch(id, 0, 4 * MIB)
  await older.write(Buffer.alloc(MIB))
  await until(async () => sumOf(await scrape(server.url), 'antipasto_leases_held') === 1)
  const by = await during(async () => {
    const offset = await tus.offset(id)
    expect(offset).toBe(MIB)
    await older.answer
    const held = tus.startPatch(id, offset, 3 * MIB)
    await held.write(Buffer.alloc(MIB))
    await until(async () => sumOf(await scrape(server.url), 'antipasto_leases_held') === 1)
    const newest = tus.startPatch(id, offset, 3 * MIB)
    await newest.write(Buffer.alloc(1))
    await held.answer
    newest.cut()
  }, ['lease_takeovers_total'])
  expect(by('lease_wait_seconds_count', { outcome: 'settled' })).toBe(1)
  expect(by('lease_wait_seconds_count', { outcome: 'taken' })).toBe(1)
  expect(by('lease_losses_total', { reason: 'asked' })).toBe(2)
  expect(by('lease_losses_total', { reason: 'lapsed' })).toBe(0)
})

test('refusals by their code, a quota among them, and paths that are none', async () => {
  const by = await during(async () => {
    await client.json('POST', '/uploads', { filename: 'big', size: 65 * MIB })
    await client.send('GET', '/uploads/none')
    await client.send('GET', '/nothing/../here?x=1')
    await client.send('GET', '/nothing/at/all')
  }, ['http_requests_total', { operation: 'none', status: '404' }])
  expect(by('refusals_total', { code: 'QUOTA_EXCEEDED' })).toBe(1)
  expect(by('http_requests_total', { operation: 'createUpload', status: '403' })).toBe(1)
  const operations = new Set((await scrape(server.url)).flatMap(({ labels }) => labels.operation ?? []))
  expect([...operations].filter((one) => !/^[a-zA-Z]+$/.test(one))).toEqual([])
})

test('a file that is not what it was declared to be', async () => {
  const by = await during(
    () =>
      client.send(
        'POST',
        `/files?filename=a.csv&sha256=${'0'.repeat(64)}`,
        { 'Content-Type': 'text/csv' },
        SMALL,
      ),
    ['refusals_total', { code: 'HASH_MISMATCH' }],
  )
  expect(by('uploads_finished_total', { outcome: 'HASH_MISMATCH' })).toBe(1)
  expect(by('uploads_acknowledged_bytes_total')).toBe(0)
})

test('what is stored, by the database', async () => {
  await until(async () => {
    const samples = await scrape(server.url)
    const files = sumOf(samples, 'antipasto_stored_files')
    const state = (name: string) => sumOf(samples, 'antipasto_uploads', { state: name })
    return files === 4 && state('ready') === 2 && state('receiving') === 2 && state('failed') === 1
  })
  const samples = await scrape(server.url)
  expect(sumOf(samples, 'antipasto_stored_bytes')).toBe(SMALL.byteLength + 3 * MIB + 7 + 8 * MIB + 4 * MIB)
  expect(sumOf(samples, 'antipasto_store_free_bytes')).toBeGreaterThan(MIB)
  expect(sumOf(samples, 'antipasto_database_up')).toBe(1)
  expect(sumOf(samples, 'antipasto_database_connections')).toBeGreaterThan(0)
  expect(sumOf(samples, 'antipasto_database_connections_max')).toBe(10)
})

test('sweeps, and what they did', async () => {
  await withConnection(String(server.databaseUrl), (connection) =>
    connection.query("UPDATE uploads SET expires_at = now() - interval '1 s' WHERE state = 'ready'"),
  )
  const nowSeconds = Date.now() / 1000
  const by = await during(async () => {}, ['sweep_actions_total', { action: 'expired' }])
  expect(by('sweep_actions_total', { action: 'expired' })).toBe(2)
  await until(async () => {
    const samples = await scrape(server.url)
    return sumOf(samples, 'antipasto_sweep_last_success_timestamp_seconds') >= nowSeconds
  })
  expect(sumOf(await scrape(server.url), 'antipasto_sweeps_total', { outcome: 'done' })).toBeGreaterThan(1)
})

test('webhooks that were delivered, and how late readers of events are', async () => {
  const made = await client.json('POST', '/webhooks', { url: receiver.url, events: ['*'] })
  expect(made.status).toBe(201)
  const stream = new AbortController()
  const events = await fetch(`${server.url}/events`, {
    headers: { 'X-API-Key': server.key, Accept: 'text/event-stream' },
    signal: stream.signal,
  })
  expect(events.status).toBe(200)
  await sleep(150)
  const by = await during(
    () => client.send('POST', '/files?filename=b.csv', { 'Content-Type': 'text/csv' }, SMALL),
    ['webhook_attempts_total', { outcome: 'delivered' }],
  )
  expect(by('webhook_attempts_total', { outcome: 'failed' })).toBe(0)
  expect(by('event_lag_seconds_count')).toBeGreaterThan(0)
  expect(by('event_lag_seconds_sum')).toBeLessThan(5)
  stream.abort()
})

test('the process, and no gauge of the loop that a second reader would spoil', async () => {
  const samples = await scrape(server.url)
  expect(sumOf(samples, 'antipasto_event_loop_delay_seconds_count')).toBeGreaterThan(10)
  expect(sumOf(samples, 'process_resident_memory_bytes')).toBeGreaterThan(MIB)
  expect(sumOf(samples, 'antipasto_build_info', { store: 'local' })).toBe(1)
  expect(samples.filter(({ name }) => name.includes('eventloop_lag'))).toEqual([])
})

describe('without a database', () => {
  test('the scrape still answers, says so, and leaves out what it can not know', async () => {
    const name = new URL(String(server.databaseUrl)).pathname.slice(1)
    const other = new URL(String(server.databaseUrl))
    other.pathname = '/postgres'
    const admin = (text: string) => withConnection(other.href, (connection) => connection.query(text))
    await admin(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
    await admin(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`)
    try {
      let samples: Sample[] = []
      await until(async () => {
        samples = await scrape(server.url)
        return sumOf(samples, 'antipasto_database_up') === 0
      })
      expect(sumOf(samples, 'antipasto_uploads')).toBeNaN()
      expect(sumOf(samples, 'antipasto_stored_bytes')).toBeNaN()
      expect(sumOf(samples, 'antipasto_http_requests_total')).toBeGreaterThan(10)
    } finally {
      await admin(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
    }
    await until(async () => sumOf(await scrape(server.url), 'antipasto_database_up') === 1)
  })
})

test('the reader of these tests refuses what is no sample', () => {
  expect(() => samplesOf('not a sample at all')).toThrow('no sample')
})
