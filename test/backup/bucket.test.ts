// docs/backup.md with a bucket: the database dumped, the bucket copied, both restored as another server, which goes on.

import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { CopyObjectCommand, DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { RestClient } from '../dialects/rest-client.js'
import { shellBlocksOf } from '../docs/shell-blocks.js'
import { bytesFrom } from '../end-to-end/evidence.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { createTestBucket, describeS3, type TestBucket } from '../support/s3.js'
import { startServer, type TestServer } from '../support/server.js'
import { mismatchesIn, runCommands, runWell } from './page-commands.js'
import { download, type Sent, sendFile, sendHalf, sendRest } from './people.js'

const MIB = 1024 ** 2

describeS3('a server with a bucket', () => {
  let folder: string
  let live: TestServer
  let bucket: TestBucket
  let copy: TestBucket
  let database: TestDatabase
  let kept: Sent
  let missing: Sent
  let short: Sent
  let finished: Sent
  let waiting: Sent
  let big: Sent
  let later: Sent

  /** The settings of the restored server. */
  const settings = () => ({ ...copy.env(), DATABASE_URL: database.databaseUrl })
  const commands = (code: string) => runCommands(code, { cwd: folder, env: settings() })

  beforeAll(async () => {
    ;[folder, bucket, copy, database] = await Promise.all([
      mkdtemp(path.join(tmpdir(), 'antipasto-bucket-')),
      createTestBucket(),
      createTestBucket(),
      createTestDatabase({ isEmpty: true }),
    ])
    live = await startServer({ env: bucket.env() })
    const rest = new RestClient(live)
    ;[kept, missing, short] = [
      await sendFile(rest, bytesFrom(1, 300_000)),
      await sendFile(rest, bytesFrom(2, 3000)),
      await sendFile(rest, bytesFrom(3, 3000)),
    ]
    finished = await sendHalf(rest, bytesFrom(4, 300_000), 123_456)
    waiting = await sendHalf(rest, bytesFrom(6, 300_000), 123_456)
    // More than a part: what is under way is a multipart upload.
    big = await sendHalf(rest, randomBytes(48 * MIB), 40 * MIB)
    expect((await bucket.list()).multiparts).toHaveLength(1)

    const aws = shellBlocksOf('docs/backup.md').find(({ code }) => code.includes('aws s3 sync'))
    const [dump = ''] = (aws?.code ?? '').split('\n').filter((line) => line.startsWith('npm'))
    await runWell(`mkdir -p backup\n${dump}`, {
      cwd: folder,
      env: { ...bucket.env(), DATABASE_URL: String(live.databaseUrl) },
    })
    later = await sendFile(rest, bytesFrom(5, 3000))
    expect((await sendRest(rest, finished)).state).toBe('ready')
    await copyBucket()
    await live.dispose()
  })
  afterAll(async () => {
    await live.dispose()
    await Promise.all([bucket.drop(), copy.drop(), database.drop(), rm(folder, { recursive: true })])
  })

  /** What aws s3 sync and rclone do. */
  async function copyBucket(): Promise<void> {
    for (const { key } of (await bucket.list()).objects) {
      await copy.client.send(
        new CopyObjectCommand({ Bucket: copy.bucket, Key: key, CopySource: `${bucket.bucket}/${key}` }),
      )
    }
  }

  test('says exactly what does not match, and marks it', async () => {
    expect(
      await runWell('npm run database -- restore backup/antipasto.dump', { cwd: folder, env: settings() }),
    ).toMatch(/^Restored \d+ rows/)
    const objectKey = ({ id }: Sent) => `${copy.prefix}/objects/${id}`
    await copy.client.send(new DeleteObjectCommand({ Bucket: copy.bucket, Key: objectKey(missing) }))
    await copy.client.send(
      new PutObjectCommand({ Bucket: copy.bucket, Key: objectKey(short), Body: Buffer.from('short') }),
    )

    const { exitCode, output } = await commands('npm run sweep -- --reconcile --json')
    expect(exitCode).toBe(1)
    const found = mismatchesIn(output).map(({ kind, room, key, objectKey: lost, upload }) =>
      [kind, room ?? '', lost ?? key ?? upload?.id].join(' '),
    )
    expect(found.sort()).toEqual(
      [
        `lost  ${missing.id}`,
        `lost  ${short.id}`,
        // A copy has no multipart uploads; the other was finished meanwhile, so its piece is gone.
        `unfinished  ${big.id}`,
        `unfinished  ${finished.id}`,
        `stray object ${later.id}`,
      ].sort(),
    )
    expect((await commands('npm run sweep -- --reconcile --mark')).exitCode).toBe(0)
    const { output: after } = await commands('npm run sweep -- --reconcile --digests')
    expect(after).toContain('Everything matches.')
  })

  test('goes on: what was kept is there, what is lost is failed and is sent again', async () => {
    const restored = await startServer({ env: settings() })
    try {
      const rest = new RestClient(restored)
      expect((await sendRest(rest, waiting)).state).toBe('ready')
      for (const { id, bytes } of [kept, waiting]) expect((await download(rest, id)).equals(bytes)).toBe(true)
      for (const { id } of [missing, short, finished, big]) {
        expect(await rest.report(id)).toMatchObject({ state: 'failed', error: { code: 'INTERNAL' } })
      }
      for (const { bytes } of [missing, short]) {
        const again = await sendFile(rest, bytes)
        expect((await download(rest, again.id)).equals(bytes)).toBe(true)
      }
      const again = await sendHalf(rest, big.bytes, 40 * MIB)
      expect((await commands('npm run sweep -- --reconcile')).exitCode).toBe(0)
      expect((await sendRest(rest, again)).state).toBe('ready')
      expect((await download(rest, again.id)).equals(big.bytes)).toBe(true)
    } finally {
      await restored.dispose()
    }
  })
})
