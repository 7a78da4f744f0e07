// What tus-js-client 4.3.1 does with our answers, row by row: each title begins with its row's first words.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import Uppy from '@uppy/core'
import { Upload, type UploadOptions } from 'tus-js-client'
import { retryDelaysMs } from '../../client/dashboard/send/next-step.js'
import { openApiKeys } from '../../server/auth/api-keys.js'
import { openDatabase } from '../../server/database/client.js'
import { checksumsOf, idOf, rowsOf, someBytes, type Target, TusClient } from '../dialects/tus-client.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { startServer, type TestServer } from '../support/server.js'
import { type DatabaseLine, openDatabaseLine } from './database-line.js'

const bytes = someBytes(1_000_000)
const CHUNK_BYTES = 250_000

let database: TestDatabase
let line: DatabaseLine
let serverProcess: TestServer
let server: Target
let tus: TusClient

beforeAll(async () => {
  database = await createTestDatabase()
  line = await openDatabaseLine(database.databaseUrl)
  serverProcess = await startServer({ env: { DATABASE_URL: line.databaseUrl } })
  const { url, key, dataDir } = serverProcess
  server = { url, key, dataDir, databaseUrl: database.databaseUrl }
  tus = new TusClient(server)
})
afterAll(async () => {
  await serverProcess.dispose()
  await line.cut()
  await database.drop()
})
beforeEach(() => rowsOf(server, 'TRUNCATE parts, uploads CASCADE'))

interface Sending {
  upload: Upload
  /** The method and status of each answer. */
  answers: string[]
  done: Promise<void>
}

/** The real client; `options` over ours, which retry quickly. */
function send(options: Partial<UploadOptions> = {}): Sending {
  const answers: string[] = []
  let upload!: Upload
  const done = new Promise<void>((resolve, reject) => {
    upload = new Upload(bytes, {
      endpoint: `${server.url}/uploads`,
      chunkSize: CHUNK_BYTES,
      retryDelays: Array(40).fill(150),
      headers: { Authorization: `Bearer ${server.key}` },
      onAfterResponse: (request, response) => {
        answers.push(`${request.getMethod()} ${response.getStatus()}`)
      },
      onSuccess: () => resolve(),
      onError: reject,
      ...options,
    })
    upload.start()
  })
  return { upload, answers, done }
}

/** Sends the first chunk and stops there, as a closed laptop does; answers the URL to go on at. */
async function sendFirstChunk(): Promise<string> {
  let stop = () => {}
  const stopped = new Promise<void>((resolve) => {
    stop = resolve
  })
  const { upload } = send({ onChunkComplete: () => stop() })
  await stopped
  await upload.abort()
  return `${server.url}/uploads/${idOf({ status: 0, headers: { location: upload.url ?? '' }, body: Buffer.alloc(0) })}`
}

async function expectOneWholeUpload(): Promise<void> {
  const rows = await rowsOf<{ id: string }>(server, 'SELECT id FROM uploads')
  expect(rows).toHaveLength(1)
  expect(await tus.report(rows[0]?.id ?? '')).toMatchObject({ state: 'ready', checksums: checksumsOf(bytes) })
}

describe('"HEAD with any failure but 423 makes it create a new upload from byte 0"', () => {
  test('a database that is away: HEAD is 423 with Retry-After, never 404 or 5xx', async () => {
    const id = await tus.begin(10)
    await tus.patch(id, 0, someBytes(4))
    await line.cut()
    for (let i = 0; i < 5; i += 1) {
      const head = await tus.head(id)
      expect([head.status, Number(head.headers['retry-after']) > 0]).toEqual([423, true])
    }
    await line.mend()
    for (let waited = 0; waited < 5_000 && (await tus.head(id)).status !== 200; waited += 50) await sleep(50)
    expect((await tus.head(id)).headers['upload-offset']).toBe('4')
  })

  test('the client waits through it, and goes on at its offset: one upload, whole', async () => {
    const uploadUrl = await sendFirstChunk()
    await line.cut()
    const { answers, done } = send({ uploadUrl })
    await sleep(1_000)
    await line.mend()
    await done
    expect(answers.filter((answer) => answer.startsWith('POST'))).toEqual([])
    expect(answers[0]).toBe('HEAD 423')
    expect(answers).toContain('HEAD 200')
    await expectOneWholeUpload()
  })

  test('a restart of the server in the middle is one upload, too', async () => {
    const { answers, done } = send({ onChunkComplete: () => {} })
    while (!answers.includes('PATCH 204')) await sleep(5)
    await serverProcess.restart()
    await done
    expect(answers.filter((answer) => answer === 'POST 201')).toHaveLength(1)
    await expectOneWholeUpload()
  })

  test('an upload whose holder does not let go is held or 423, and never lost', async () => {
    const uploadUrl = await sendFirstChunk()
    await rowsOf(
      server,
      `UPDATE uploads SET lease_holder = 'another instance', lease_until = now() + interval '2 seconds'`,
    )
    const { answers, done } = send({ uploadUrl })
    await done
    expect(answers.filter((answer) => !/^(HEAD 200|HEAD 423|PATCH 204)$/.test(answer))).toEqual([])
    await expectOneWholeUpload()
  })
})

describe('"Refresh the token in `onBeforeRequest`"', () => {
  test('a key that ends in the middle starts nothing anew; with the next one it goes on at its offset', async () => {
    const opened = await openDatabase(database.databaseUrl)
    const apiKeys = openApiKeys(opened.prisma, { upload: [], read: [], delete: [] })
    const makeKey = () =>
      apiKeys.create({ name: 't', owner: 'default', scopes: ['upload'], ttlSeconds: undefined })
    let { key, id } = await makeKey()
    let hasStopped = false
    const { answers, done } = send({
      headers: {},
      onBeforeRequest: (request) => request.setHeader('Authorization', `Bearer ${key}`),
      // As a page does that asks its user to sign in again.
      onShouldRetry: (error) => (error.originalResponse?.getStatus() ?? 0) === 401,
      onChunkComplete: () => {
        if (hasStopped) return
        hasStopped = true
        void apiKeys.revoke(id)
      },
      onAfterResponse: async (request, response) => {
        answers.push(`${request.getMethod()} ${response.getStatus()}`)
        if (response.getStatus() === 401) ({ key, id } = await makeKey())
        // A revoked key is believed for up to 5 s.
        else if (hasStopped && answers.length < 4) await sleep(5_500)
      },
    })
    await done
    await opened.close()
    expect(answers.filter((answer) => answer === 'POST 201')).toHaveLength(1)
    expect(answers.some((answer) => answer.endsWith(' 401'))).toBe(true)
    await expectOneWholeUpload()
  })
})

describe('"Its fingerprint lacks the folder path"', () => {
  test('the page’s files of one name, size and date in two folders are two', () => {
    const uppy = new Uppy()
    const data = new File(['same'], 'data.csv', { type: 'text/csv', lastModified: 1 })
    const ids = ['north', 'south'].map((folder) =>
      uppy.addFile({
        name: 'data.csv',
        type: 'text/csv',
        data,
        meta: { relativePath: `${folder}/data.csv` },
      }),
    )
    expect(new Set(ids).size).toBe(2)
    uppy.destroy()
  })

  test('and to us they are two uploads, told apart by their paths', async () => {
    const reports = []
    for (const folder of ['north', 'south']) {
      reports.push(
        await tus.put(Buffer.from('same'), { filename: 'data.csv', relativePath: `${folder}/data.csv` }),
      )
    }
    expect(reports.map(({ relative_path }) => relative_path)).toEqual(['north/data.csv', 'south/data.csv'])
    expect(reports[0]?.retrieval_url).not.toBe(reports[1]?.retrieval_url)
  })
})

test('"Uppy’s default retry delays give up after about 9 s": the page’s go on for a day', () => {
  const delays = retryDelaysMs()
  expect(delays.reduce((sum, delay) => sum + delay, 0)).toBeGreaterThan(24 * 3600 * 1000)
  expect(delays[0]).toBe(0)
  expect(Math.max(...delays)).toBeLessThanOrEqual(60_000)
})
