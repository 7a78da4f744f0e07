// Uploads that are checked before they are ready: a running server and real commands.

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Report } from '../../server/uploads/report.js'
import type { Answer } from '../dialects/exchange.js'
import { bodyOf, RestClient } from '../dialects/rest-client.js'
import { checksumsOf, eventsOf, idOf, rowsOf, someBytes, stored, TusClient } from '../dialects/tus-client.js'
import { createTestBucket, describeS3 } from '../support/s3.js'
import { startServer, type TestServer } from '../support/server.js'
import { eventually, pidIn, untilGone } from './checks.js'

// What it does is said by the file's name. It tells in its folder what it was asked, and waits there for files.
const SCRIPT = `
folder=$(dirname "$0")
sum() { sha256sum | cut -d ' ' -f 1; }
echo "$ANTIPASTO_UPLOAD_ID $ANTIPASTO_SIZE $ANTIPASTO_SHA256" >> "$folder/asked"
case "$ANTIPASTO_FILENAME" in
  refused*) echo "stream: Eicar-Signature"; echo "größer als erlaubt"; exit 1 ;;
  held*)
    echo $$ > "$folder/$ANTIPASTO_UPLOAD_ID.pid"
    until [ -e "$folder/release" ] || [ ! -e "$folder" ]; do sleep 0.05; done ;;
  first-hangs*) mkdir "$folder/hung" 2> /dev/null && sleep 600 ;;
  environment*) env > "$folder/environment" ;;
esac
test "$(sum)" = "$ANTIPASTO_SHA256" || { echo "the bytes are others"; exit 1; }
`

interface Scanner {
  folder: string
  env: Record<string, string>
  /** Ids of the uploads it was asked for, in order. */
  asked(): Promise<string[]>
  /** Where the process of a held check stands. */
  pidFile(id: string): string
  /** Lets go of everything that is held, now and later. */
  release(): Promise<void>
  dispose(): Promise<void>
}

async function newScanner(): Promise<Scanner> {
  const folder = await mkdtemp(path.join(tmpdir(), 'antipasto-scanner-'))
  await writeFile(path.join(folder, 'check.sh'), SCRIPT)
  return {
    folder,
    env: { ON_READY_COMMAND: `exec sh ${folder}/check.sh` },
    async asked() {
      const text = await readFile(path.join(folder, 'asked'), 'utf8').catch(() => '')
      return text.split('\n').flatMap((line) => line.split(' ')[0] || [])
    },
    pidFile: (id) => path.join(folder, `${id}.pid`),
    release: () => writeFile(path.join(folder, 'release'), ''),
    dispose: () => rm(folder, { recursive: true, force: true }),
  }
}

interface Place {
  server: TestServer
  scanner: Scanner
  tus: TusClient
  rest: RestClient
  until(id: string, state: Report['state']): Promise<Report>
  dispose(): Promise<void>
}

async function newPlace(env: Record<string, string> = {}): Promise<Place> {
  const scanner = await newScanner()
  const server = await startServer({ env: { ...scanner.env, ...env } })
  const tus = new TusClient(server)
  return {
    server,
    scanner,
    tus,
    rest: new RestClient(server),
    until: (id, state) =>
      eventually(`${state} upload`, async () => {
        const report = await tus.report(id)
        return report.state === state ? report : undefined
      }),
    async dispose() {
      await scanner.release()
      await server.dispose()
      await scanner.dispose()
    },
  }
}

/** Sends a file whose answer nobody waits for. @returns its id */
async function sendAside(tus: TusClient, filename: string, bytes: Uint8Array): Promise<string> {
  const id = await tus.begin(bytes.byteLength, { filename })
  void tus.patch(id, 0, bytes).catch(() => {})
  return id
}

const small = someBytes(1000)
const large = someBytes(3 << 20)
const WORDS = 'stream: Eicar-Signature größer als erlaubt'

async function session(rest: RestClient, filename: string, bytes: Uint8Array): Promise<[string, Answer]> {
  const begun = await rest.json('POST', '/uploads', { filename, size: bytes.byteLength })
  const { id } = bodyOf(begun)
  expect((await rest.patch(id, 0, bytes, bytes.byteLength)).status).toBeLessThan(300)
  return [id, await rest.complete(id)]
}

async function concatenation(
  tus: TusClient,
  filename: string,
  bytes: Uint8Array,
): Promise<[string, string[]]> {
  const parts: string[] = []
  for (const part of [bytes.subarray(0, 600), bytes.subarray(600)]) {
    const headers = { 'Upload-Concat': 'partial' }
    parts.push(idOf(await tus.create({ sizeBytes: part.byteLength, body: part, headers })))
  }
  const whole = await tus.send('POST', '/uploads', {
    'Upload-Concat': `final;${parts.map((id) => `/uploads/${id}`).join(' ')}`,
    'Upload-Metadata': `filename ${Buffer.from(filename).toString('base64')}`,
  })
  expect(whole.status).toBe(201)
  return [idOf(whole), parts]
}

const oneShot = (rest: RestClient, filename: string, bytes: Uint8Array, headers = {}) =>
  rest.send(
    'POST',
    `/files?filename=${encodeURIComponent(filename)}`,
    { 'Content-Type': 'text/csv', ...headers },
    bytes,
  )

describe('a check', () => {
  let place: Place
  beforeAll(async () => {
    place = await newPlace()
  })
  afterAll(() => place.dispose())

  async function expectRefused(id: string, bytes: Uint8Array): Promise<void> {
    const report = await place.until(id, 'failed')
    expect(report).toMatchObject({ checksums: checksumsOf(bytes), retrieval_url: null, expires_in: 0 })
    expect(report.error).toEqual({
      code: 'CONTENT_REFUSED',
      detail: expect.stringContaining(`The content check refused this file: ${WORDS}.`),
    })
    expect(await eventsOf(place.server, id)).toEqual([
      'upload.created.v1',
      'upload.finalizing.v1',
      'upload.failed.v1',
    ])
    // Emptied after it is told.
    await eventually('end of its bytes', async () => {
      const garbage = await rowsOf(place.server, 'SELECT FROM garbage WHERE object_key = $1', [id])
      return garbage.length === 0 || undefined
    })
    const { tmp, objects } = await stored(place.server)
    expect([...tmp, ...objects]).not.toContain(id)
  }

  test.each([
    ['small', small],
    ['large', large],
  ])('that says yes makes ready what came by tus (%s)', async (_, bytes) => {
    const atOnce = await place.tus.put(bytes, { filename: 'a.csv' })
    const id = await place.tus.begin(bytes.byteLength, { filename: 'b.csv' })
    expect((await place.tus.patch(id, 0, bytes)).status).toBe(204)
    const report = await place.until(id, 'ready')
    expect((await place.tus.retrieve(report)).equals(bytes)).toBe(true)
    const asked = await place.scanner.asked()
    for (const one of [atOnce.id, id]) expect(asked.filter((name) => name === one)).toEqual([one])
  })

  test.each([
    ['small', small],
    ['large', large],
  ])('that says no fails what came by tus, with its words (%s)', async (_, bytes) => {
    const answer = await place.tus.create({
      sizeBytes: bytes.byteLength,
      metadata: { filename: 'refused.csv' },
      body: bytes,
    })
    expect(answer.status).toBe(422)
    const problem = bodyOf<{ code: string; title: string; detail: string; details: { upload_id: string } }>(
      answer,
    )
    expect(problem).toMatchObject({ code: 'CONTENT_REFUSED', title: 'Content Refused' })
    expect(problem.detail).toContain(WORDS)
    await expectRefused(problem.details.upload_id, bytes)

    const id = await place.tus.begin(bytes.byteLength, { filename: 'refused.csv' })
    expect((await place.tus.patch(id, 0, bytes)).status).toBe(422)
    await expectRefused(id, bytes)
    expect((await place.tus.head(id)).status).toBe(410)
  })

  test('is asked for an empty file, too, whose creation is its end', async () => {
    const id = await place.tus.begin(0, { filename: 'fine.csv' })
    expect((await place.tus.report(id)).state).toBe('ready')
    expect((await place.scanner.asked()).filter((name) => name === id)).toEqual([id])
    const answer = await place.tus.create({ sizeBytes: 0, metadata: { filename: 'refused.csv' } })
    expect(answer.status).toBe(422)
    const file = await oneShot(place.rest, 'refused.csv', Buffer.alloc(0))
    expect(file.status).toBe(422)
  })

  test('is asked for a session', async () => {
    const [id, yes] = await session(place.rest, 'fine.csv', large)
    expect([yes.status, bodyOf(yes).state]).toEqual([200, 'ready'])
    expect((await place.scanner.asked()).filter((name) => name === id)).toEqual([id])
    const [refused, no] = await session(place.rest, 'refused.csv', large)
    expect([no.status, bodyOf<{ code: string }>(no).code]).toEqual([422, 'CONTENT_REFUSED'])
    await expectRefused(refused, large)
    expect((await place.rest.complete(refused)).status).toBe(410)
  })

  test.each([
    ['small', small],
    ['large', large],
  ])('is asked for a file in one request (%s)', async (_, bytes) => {
    const before = (await place.scanner.asked()).length
    expect((await oneShot(place.rest, 'fine.csv', bytes)).status).toBe(201)
    expect(await place.scanner.asked()).toHaveLength(before + 1)
    const no = await oneShot(place.rest, 'refused.csv', bytes)
    expect(no.status).toBe(422)
    await expectRefused(bodyOf<{ details: { upload_id: string } }>(no).details.upload_id, bytes)
    const later = await oneShot(place.rest, 'refused.csv', bytes, { Prefer: 'respond-async' })
    expect(later.status).toBe(202)
    await expectRefused(bodyOf(later).id, bytes)
  })

  test('is asked for what is made of parts, and not for these', async () => {
    const [id, parts] = await concatenation(place.tus, 'fine.csv', large)
    await place.until(id, 'ready')
    const asked = await place.scanner.asked()
    expect(asked.filter((name) => [id, ...parts].includes(name))).toEqual([id])
    const [refused, theirs] = await concatenation(place.tus, 'refused.csv', large)
    await expectRefused(refused, large)
    // They have the same bytes, and end behind the whole.
    for (const part of theirs) {
      await place.until(part, 'deleted')
      await eventually('end of its bytes', async () => {
        const { objects } = await stored(place.server)
        return !objects.includes(part) || undefined
      })
    }
  })

  test('is asked again for content that was accepted before', async () => {
    await place.tus.put(small, { filename: 'fine.csv' })
    const answer = await place.tus.create({
      sizeBytes: small.byteLength,
      metadata: { filename: 'refused.csv' },
      body: small,
    })
    expect(answer.status).toBe(422)
    // What was accepted stays.
    const fine = await place.tus.put(small, { filename: 'fine.csv' })
    expect((await place.tus.retrieve(fine)).equals(small)).toBe(true)
  })

  test('is not asked for what is not what was declared', async () => {
    const before = await place.scanner.asked()
    const answer = await place.tus.create({
      sizeBytes: small.byteLength,
      metadata: { filename: 'fine.csv', sha1: '0'.repeat(40) },
      body: small,
    })
    expect([answer.status, bodyOf<{ code: string }>(answer).code]).toEqual([422, 'HASH_MISMATCH'])
    expect(await place.scanner.asked()).toEqual(before)
  })

  test('gets every byte of 300 MiB', async () => {
    const chunk = someBytes(1 << 20)
    const id = await place.tus.begin(300 << 20, { filename: 'big.csv' })
    const body = Readable.from(Array(300).fill(chunk), { objectMode: false })
    expect((await place.tus.patch(id, 0, body, { 'Content-Length': 300 << 20 })).status).toBe(204)
    const report = await place.until(id, 'ready')
    const asked = await readFile(path.join(place.scanner.folder, 'asked'), 'utf8')
    // It has computed the same itself, or it would have refused.
    expect(asked).toContain(`${id} ${300 << 20} ${report.checksums?.sha256}\n`)
  })

  test('knows nothing of what the server keeps secret', async () => {
    await place.tus.put(small, { filename: 'environment.csv' })
    const text = await readFile(path.join(place.scanner.folder, 'environment'), 'utf8')
    expect(text).toContain('ANTIPASTO_FILENAME=environment.csv\n')
    expect(text).toContain(`PATH=${process.env.PATH}\n`)
    expect(text).not.toContain(place.server.key)
    expect(text).not.toContain('postgres')
    const names = text.split('\n').flatMap((line) => /^[^=]+(?==)/.exec(line)?.[0] ?? [])
    const ofTheShell = ['PWD', 'SHLVL', 'OLDPWD', '_', 'PATH', 'LANG']
    const others = names.filter((name) => !name.startsWith('ANTIPASTO_') && !ofTheShell.includes(name))
    expect(others).toEqual([])
  })
})

describe('while a check runs', () => {
  let place: Place
  beforeAll(async () => {
    place = await newPlace()
  })
  afterAll(() => place.dispose())

  test('the upload is finalizing and whole, nothing of it can be had, and its DELETE ends the command', async () => {
    const id = await sendAside(place.tus, 'held.csv', large)
    const pid = await pidIn(place.scanner.pidFile(id))
    const report = await place.tus.report(id)
    expect(report).toMatchObject({ state: 'finalizing', retrieval_url: null, offset: large.byteLength })
    const head = await place.tus.head(id)
    expect([head.status, head.headers['upload-offset']]).toEqual([200, String(large.byteLength)])
    const file = await place.rest.send('GET', `/files/sha256/${checksumsOf(large).sha256}`)
    expect(file.status).toBe(404)

    expect((await place.tus.remove(id)).status).toBe(204)
    await untilGone(pid)
    expect((await place.tus.report(id)).state).toBe('canceled')
    await eventually('end of its bytes', async () => {
      const { tmp, objects } = await stored(place.server)
      return [...tmp, ...objects].includes(id) ? undefined : true
    })
    expect(place.server.logs()).not.toContain('finishing an upload was interrupted')
  })

  test('a package with it can not be finalized, nor with what was refused', async () => {
    const made = await place.rest.json('POST', '/packages', { name: 'Lakes' })
    const packageId = bodyOf(made).id
    const metadata = { filename: 'held.csv', packageId }
    const id = await place.tus.begin(small.byteLength, metadata)
    void place.tus.patch(id, 0, small).catch(() => {})
    await pidIn(place.scanner.pidFile(id))
    const finalize = () => place.rest.json('POST', `/packages/${packageId}/finalize`, {})
    const early = await finalize()
    expect(early.status).toBe(409)
    expect(early.body.toString()).toContain(id)
    expect((await place.tus.remove(id)).status).toBe(204)

    const refused = await place.tus.begin(small.byteLength, { ...metadata, filename: 'refused.csv' })
    expect((await place.tus.patch(refused, 0, small)).status).toBe(422)
    const late = await finalize()
    expect(late.status).toBe(409)
    expect(late.body.toString()).toContain(refused)
  })
})

// Each has a server of its own, and waits for most of its time: so they wait together.
describe('a check on a server of its own', () => {
  const warnings = (server: TestServer) =>
    server
      .logs()
      .split('\n')
      .filter((line) => line.includes('the content check gave no answer'))

  test.concurrent('without an answer in time is ended, and asked again', async () => {
    const place = await newPlace({ ON_READY_TIMEOUT: '2s' })
    try {
      const id = await place.tus.begin(small.byteLength, { filename: 'first-hangs.csv' })
      expect((await place.tus.patch(id, 0, small)).status).toBe(204)
      expect((await place.tus.report(id)).state).toBe('finalizing')
      await place.until(id, 'ready')
      expect(await place.scanner.asked()).toEqual([id, id])
      expect(warnings(place.server)).toHaveLength(1)
      expect(warnings(place.server)[0]).toContain('within 2 seconds')
    } finally {
      await place.dispose()
    }
  })

  test.concurrent('without an answer since there is no such command is asked again, later and later, till there is one', async () => {
    const scanner = await newScanner()
    const command = path.join(scanner.folder, 'later')
    const server = await startServer({ env: { ON_READY_COMMAND: command } })
    try {
      const tus = new TusClient(server)
      const id = await sendAside(tus, 'fine.csv', small)
      await eventually('warning', () => warnings(server)[0])
      // Whoever looks after it doesn't hurry it.
      for (let i = 0; i < 20; i += 1) await tus.head(id)
      expect(await tus.report(id)).toMatchObject({ state: 'finalizing', retrieval_url: null, error: null })
      expect(warnings(server)).toHaveLength(1)
      await eventually('second warning', () => warnings(server)[1])
      await writeFile(command, '#!/bin/sh\nexit 0\n', { mode: 0o755 })
      await eventually('ready upload', async () => (await tus.report(id)).state === 'ready' || undefined)
      const waits = warnings(server).map((line) => JSON.parse(line).retry_in_seconds)
      expect(waits).toEqual([5, 10])
      expect(warnings(server)[0]).toContain('not found')
    } finally {
      await server.dispose()
      await scanner.dispose()
    }
  })

  test.concurrent('without an answer since the server was killed is asked again after the next start', async () => {
    const place = await newPlace()
    try {
      const id = await sendAside(place.tus, 'held.csv', large)
      await pidIn(place.scanner.pidFile(id))
      await place.server.kill()
      const rows = await rowsOf<{ state: string }>(place.server, 'SELECT state FROM uploads WHERE id = $1', [
        id,
      ])
      expect(rows).toEqual([{ state: 'finalizing' }])
      // The command of the dead server says yes by now; nobody hears it.
      await place.scanner.release()
      await place.server.restart()
      const report = await place.until(id, 'ready')
      expect((await place.tus.retrieve(report)).equals(large)).toBe(true)
      expect(await place.scanner.asked()).toEqual([id, id])
    } finally {
      await place.dispose()
    }
  })

  test.concurrent('without an answer since the server is stopped leaves no command behind, and is asked again after the next start', async () => {
    const place = await newPlace()
    try {
      const id = await sendAside(place.tus, 'held.csv', large)
      const pid = await pidIn(place.scanner.pidFile(id))
      const begin = performance.now()
      expect(await place.server.stop()).toBe(0)
      expect(performance.now() - begin).toBeLessThan(8000)
      await untilGone(pid, 2)
      const rows = await rowsOf<{ state: string }>(place.server, 'SELECT state FROM uploads WHERE id = $1', [
        id,
      ])
      expect(rows).toEqual([{ state: 'finalizing' }])
      await place.server.restart()
      await eventually('second check', async () =>
        (await place.scanner.asked()).length === 2 ? true : undefined,
      )
      await place.scanner.release()
      await place.until(id, 'ready')
    } finally {
      await place.dispose()
    }
  })

  test.concurrent('is one of four that run at once, and the others wait for their turn; a client waits for twenty seconds', async () => {
    const place = await newPlace()
    try {
      const begin = performance.now()
      const answers: Promise<Answer>[] = []
      const ids: string[] = []
      for (let i = 0; i < 9; i += 1) {
        const id = await place.tus.begin(small.byteLength, { filename: `held-${i}.csv` })
        ids.push(id)
        answers.push(place.tus.patch(id, 0, small))
      }
      const running = async () => {
        const files = await readdir(place.scanner.folder)
        return ids.filter((id) => files.includes(`${id}.pid`))
      }
      await eventually('four checks', async () => ((await running()).length === 4 ? true : undefined))
      expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(9).fill(204))
      expect(performance.now() - begin).toBeGreaterThan(19_000)
      // Longer than a lease lasts that nobody renews; and a HEAD, which looks for what was forgotten, changes nothing.
      for (const id of ids) expect((await place.tus.head(id)).status).toBe(200)
      expect(await running()).toHaveLength(4)
      await place.scanner.release()
      for (const id of ids) await place.until(id, 'ready')
      const asked = await place.scanner.asked()
      expect(ids.map((id) => asked.filter((name) => name === id).length)).toEqual(Array(9).fill(1))
    } finally {
      await place.dispose()
    }
  })
})

describeS3('a check on S3', () => {
  test('gets the bytes from the bucket, and a refused file leaves nothing there', async () => {
    const bucket = await createTestBucket()
    const scanner = await newScanner()
    const server = await startServer({ env: { ...bucket.env(), ...scanner.env } })
    try {
      const tus = new TusClient(server)
      const bytes = someBytes(20 << 20)
      const fine = await tus.put(bytes, { filename: 'environment.csv' })
      await tus.put(small, { filename: 'fine.csv' })
      const environment = await readFile(path.join(scanner.folder, 'environment'), 'utf8')
      expect(environment).not.toContain('AWS_')
      expect(environment).not.toContain(bucket.secretKey)
      const before = await bucket.list()
      const answer = await tus.create({
        sizeBytes: bytes.byteLength,
        metadata: { filename: 'refused.csv' },
        body: someBytes(bytes.byteLength, 2),
      })
      expect(answer.status).toBe(422)
      expect(await bucket.list()).toEqual(before)
      expect(fine.state).toBe('ready')
    } finally {
      await server.dispose()
      await scanner.dispose()
      await bucket.drop()
    }
  })
})
