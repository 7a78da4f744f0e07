// The order of a start: what isn't up yet is waited for, what is set wrongly stops it, and a database that is lost comes back.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { createTestDatabase, type TestDatabase, withConnection } from '../support/database.js'
import { createTestBucket, describeS3 } from '../support/s3.js'
import { startServer } from '../support/server.js'
import { until } from '../support/until.js'
import { type CuttingProxy, startCuttingProxy } from './cutting-proxy.js'
import { get, problemCode, rawTus } from './raw-tus.js'

const MAIN = fileURLToPath(new URL('../../server/main.js', import.meta.url))

let database: TestDatabase
let folder: string

beforeEach(async () => {
  database = await createTestDatabase({ isEmpty: true })
  folder = await mkdtemp(path.join(tmpdir(), 'antipasto-start-'))
})
afterEach(async () => {
  await database.drop()
  await rm(folder, { recursive: true, force: true })
})

interface Start {
  readonly child: ChildProcess
  readonly exitCode: Promise<number | null>
  output(): string
  /** Its log's lines, in order. */
  lines(): { msg: string; reason?: string }[]
  /** Their messages. */
  messages(): string[]
}

/** A server of which nobody knows yet whether it will start. */
function start(env: Readonly<Record<string, string>>): Start {
  const child = spawn(process.execPath, [MAIN, 'serve'], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      PORT: '0',
      DATA_DIR: path.join(folder, 'data'),
      API_UPLOAD_KEYS: 'test-key-0123456789abcdef',
      DATABASE_URL: database.databaseUrl,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  }
  const lines = () => {
    const whole = output.slice(0, output.lastIndexOf('\n')).split('\n')
    return whole.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line))
  }
  return {
    child,
    exitCode: once(child, 'close').then(([code]) => code),
    output: () => output,
    lines,
    messages: () => lines().map(({ msg }) => msg),
  }
}

async function end({ child, exitCode }: Start): Promise<void> {
  child.kill('SIGKILL')
  await exitCode
}

/** A proxy that refuses whoever comes until it is told where to lead them; how many came. */
async function closedDoor(): Promise<{ proxy: CuttingProxy; tries: () => number }> {
  let tries = 0
  const proxy = await startCuttingProxy(() => {
    tries += 1
    return { toServer: () => {}, toClient: () => {} }
  })
  return { proxy, tries: () => tries }
}

function at(databaseUrl: string, proxy: CuttingProxy): string {
  const url = new URL(databaseUrl)
  url.port = new URL(proxy.url).port
  return url.href
}

describe('what is not up yet', () => {
  describeS3('database and S3', () => {
    test('both are waited for, one after the other, with one line for each reason', async () => {
      const bucket = await createTestBucket()
      const [ofDatabase, ofS3] = [await closedDoor(), await closedDoor()]
      const started = start({
        ...bucket.env({ endpoint: ofS3.proxy.url }),
        DATABASE_URL: at(database.databaseUrl, ofDatabase.proxy),
      })
      try {
        await until(async () => ofDatabase.tries() >= 3)
        expect(ofS3.tries()).toBe(0)
        ofDatabase.proxy.forwardTo(database.databaseUrl)
        // The S3 client tries again by itself before it gives up and the start says why.
        await until(async () => started.output().includes(ofS3.proxy.url))
        ofS3.proxy.forwardTo(bucket.endpoint)
        await until(async () => started.messages().includes('serving'))
        const told = started.lines().filter(({ msg }) => /there/.test(msg))
        const reasons = told.flatMap(({ reason = [] }) => reason)
        expect(new Set(reasons).size).toBe(reasons.length)
        // A door that is just being opened may be another reason than a closed one.
        const inTurns = told.map(({ msg }) => msg).filter((msg, index, all) => msg !== all[index - 1])
        expect(inTurns).toEqual([
          'not there yet: the start waits, and tries again',
          'it is there: the start goes on',
          'not there yet: the start waits, and tries again',
          'it is there: the start goes on',
        ])
        expect(reasons.at(0)).toContain(`The database at ${new URL(ofDatabase.proxy.url).host}`)
        expect(reasons.at(-1)).toContain(ofS3.proxy.url)
      } finally {
        await end(started)
        await Promise.all([ofDatabase.proxy.close(), ofS3.proxy.close()])
        await bucket.drop()
      }
    })

    test('a bucket that does not exist stops the start at once', async () => {
      const bucket = await createTestBucket()
      const started = start({ ...bucket.env(), S3_BUCKET: 'there-is-no-such-bucket' })
      try {
        expect(await started.exitCode).toBe(1)
        expect(started.output()).toMatch(/no bucket "there-is-no-such-bucket"\. Make it, or mend S3_BUCKET\./)
        expect(started.messages()).toEqual([])
      } finally {
        await bucket.drop()
      }
    })
  })

  test('nobody waits longer than START_TIMEOUT', async () => {
    const { proxy, tries } = await closedDoor()
    const started = start({ DATABASE_URL: at(database.databaseUrl, proxy), START_TIMEOUT: '3s' })
    expect(await started.exitCode).toBe(1)
    expect(started.output()).toMatch(/antipasto: The database at .* does not answer .* Check DATABASE_URL/)
    expect(tries()).toBeGreaterThan(1)
    await proxy.close()
  })

  test('SIGTERM ends the waiting, with code 0', async () => {
    const { proxy, tries } = await closedDoor()
    const started = start({ DATABASE_URL: at(database.databaseUrl, proxy) })
    await until(async () => tries() >= 2)
    started.child.kill('SIGTERM')
    expect(await started.exitCode).toBe(0)
    await proxy.close()
  })

  test('a wrong password stops the start at once, and is not repeated in words', async () => {
    const url = new URL(database.databaseUrl)
    url.password = 'wrong-and-secret'
    const started = start({ DATABASE_URL: url.href })
    expect(await started.exitCode).toBe(1)
    expect(started.output()).toMatch(/password authentication failed .* DATABASE_URL/)
    expect(started.output()).not.toContain('wrong-and-secret')
    expect(started.messages()).toEqual([])
  })

  test('two servers start at once on an empty database, and both serve', async () => {
    const both = [start({}), start({ DATA_DIR: path.join(folder, 'other') })]
    try {
      await until(async () => both.every((one) => one.messages().includes('serving')))
      const migrated = both.filter((one) => one.output().includes('Migrations applied'))
      expect(migrated).toHaveLength(1)
    } finally {
      await Promise.all(both.map(end))
    }
  })
})

describe('a database that is lost while the server runs', () => {
  const MIB = 1024 * 1024

  test('taking no connections: 503 and 423, not 500; then everything goes on', async () => {
    const server = await startServer()
    const name = new URL(String(server.databaseUrl)).pathname.slice(1)
    const admin = (sql: string) =>
      withConnection(String(process.env.TEST_DATABASE_URL), (client) => client.query(sql))
    try {
      const tus = rawTus(server)
      const id = await tus.create(MIB)
      await admin(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
      await admin(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`)
      const authorization = { Authorization: `Bearer ${server.key}` }
      for (let i = 0; i < 5; i += 1) {
        const answer = await get(`${server.url}/uploads`, authorization)
        expect([answer.status, problemCode(answer)]).toEqual([503, 'UNAVAILABLE'])
      }
      expect((await tus.head(id)).status).toBe(423)
      expect((await tus.patch(id, 0, Buffer.alloc(MIB)))?.status).toBe(503)
      expect((await get(`${server.url}/readyz`)).status).toBe(503)
      await admin(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
      await until(async () => (await get(`${server.url}/readyz`)).status === 200)
      expect((await tus.patch(id, 0, Buffer.alloc(MIB)))?.status).toBe(204)
    } finally {
      await admin(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
      await server.dispose()
    }
  })

  test('silent: not ready in seconds, every request answered in 20 s; then everything goes on by itself', async () => {
    const network = await startCuttingProxy()
    network.forwardTo(database.databaseUrl)
    const server = await startServer({ env: { DATABASE_URL: at(database.databaseUrl, network) } })
    try {
      const tus = rawTus(server)
      const authorization = { Authorization: `Bearer ${server.key}` }
      const [id, other] = [await tus.create(2 * MIB), await tus.create(2 * MIB)]
      const source = Buffer.alloc(2 * MIB, 7)
      const running = tus.startPatch(id, 0, source.byteLength)
      await running.write(source.subarray(0, MIB))
      const startedAtMs = performance.now()
      const took = () => performance.now() - startedAtMs
      void network.stallAfter(0)
      const asked = Promise.all([
        ...Array.from({ length: 12 }, () => get(`${server.url}/uploads`, authorization)),
        tus.patch(other, 0, source),
      ])
      asked.catch(() => {}) // Awaited below; until then it isn't an unhandled one.
      const head = tus.head(other)
      await running.write(source.subarray(MIB))
      expect((await get(`${server.url}/readyz`)).status).toBe(503)
      expect(took()).toBeLessThan(6_000)
      for (const answer of await asked) expect(answer?.status).toBe(503)
      expect((await head).status).toBe(423)
      expect(took()).toBeLessThan(20_000)
      network.goOn()
      await until(async () => (await get(`${server.url}/readyz`)).status === 200)
      // What the PATCH's end is depends on where the silence met it; that nothing acknowledged is lost doesn't.
      const answer = await running.answer
      expect([204, 503]).toContain(answer?.status)
      await until(async () => (await tus.head(id)).status === 200)
      const offset = await tus.offset(id)
      if (answer?.status === 204) expect(offset).toBe(source.byteLength)
      if (offset < source.byteLength) {
        expect((await tus.patch(id, offset, source.subarray(offset)))?.status).toBe(204)
      }
      expect((await tus.report(id)).state).toBe('ready')
    } finally {
      network.cut()
      await server.dispose()
      await network.close()
    }
  })
})
