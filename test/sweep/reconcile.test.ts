// What the comparison of records and store finds, says and marks: on a disk. On S3, and after a restore: test/backup.

import { rm, truncate, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { EVERYONE } from '../../server/auth/owner-scope.js'
import { type Database, openDatabase } from '../../server/database/client.js'
import { runSweepCommand } from '../../server/sweep/command.js'
import { type Mismatch, type Outcome, sentenceOf } from '../../server/sweep/mismatch.js'
import { Reconciliation } from '../../server/sweep/reconcile.js'
import { Sweep } from '../../server/sweep/sweep.js'
import { Losses } from '../../server/uploads/losses.js'
import { randomId } from '../../server/uploads/random.js'
import { usageTwice } from '../quotas/recount.js'
import {
  aBody,
  aFile,
  type Ground,
  type Instance,
  newGround,
  openInstance,
  takeInTwoSteps,
  uploaderNamed,
} from '../uploads/parts.js'

const OWNER = 'somebody'

let ground: Ground
let instance: Instance
let database: Database
let reconciliation: Reconciliation

beforeEach(async () => {
  ground = await newGround()
  instance = await openInstance(ground)
  database = await openDatabase(ground.databaseUrl)
  const losses = new Losses(database.prisma)
  reconciliation = new Reconciliation({ ...instance, losses, databaseUrl: ground.databaseUrl })
})
afterEach(async () => {
  await database.close()
  await instance.close()
  await ground.dispose()
})

interface Told {
  mismatch: Mismatch
  outcome: Outcome
}

async function reconcile({ isMarking = false, readsContent = false } = {}) {
  const told: Told[] = []
  const summary = await reconciliation.run({ isMarking, readsContent }, (mismatch, outcome) =>
    told.push({ mismatch, outcome }),
  )
  return { told, summary, kinds: told.map(({ mismatch, outcome }) => `${mismatch.kind} ${outcome}`) }
}

const take = (content: string, filename = 'lake.csv', label: string | null = null) =>
  instance.intake.takeWhole(
    uploaderNamed(OWNER),
    aFile(Buffer.byteLength(content), { filename, label }),
    aBody(Buffer.from(content)),
  )

/** Begun, with some bytes of ten. */
async function takeHalf(bytes = 'half'): Promise<string> {
  const begun = await instance.intake.begin(uploaderNamed(OWNER), aFile(10), { isHeld: true })
  if (begun.lease === null) throw new Error('A lease was asked for.')
  const { id } = await instance.intake.append(begun.lease, begun.upload, {
    ...aBody(Buffer.from(bytes)),
    announcedBytes: null,
  })
  return id
}

const objectFile = (key: string) => path.join(ground.folder, 'objects', key)
const temporaryFile = (key: string) => path.join(ground.folder, 'tmp', key)
const get = (id: string) => instance.records.get(id, EVERYONE)

describe('records and a store that match', () => {
  test('are told so, whatever is unfinished, restorable, waiting for its deletion or young', async () => {
    await take('one')
    await take('one')
    await takeHalf()
    await takeInTwoSteps(instance, OWNER, Buffer.from('whole'))
    for (const id of [await take('to be restored'), await takeHalf()])
      await instance.removals.removeWithUndo(id, EVERYONE, 600)
    await ground.rows(`INSERT INTO garbage (kind, object_key) VALUES ('object', $1), ('object', $2)`, [
      'a'.repeat(40),
      'b'.repeat(40),
    ])
    await writeFile(objectFile('b'.repeat(40)), 'to be deleted')
    await writeFile(objectFile('c'.repeat(40)), 'of a request that runs')
    const { kinds, summary } = await reconcile({ readsContent: true })
    expect(kinds).toEqual(['stray told'])
    expect(summary).toMatchObject({ standing: 0, youngStrays: 1, recordedObjects: 3 })
  })

  test('an empty store beside an empty database matches', async () => {
    expect((await reconcile({ isMarking: true })).summary).toMatchObject({ standing: 0, storedItems: 0 })
  })
})

describe('content that is lost', () => {
  test.each([
    ['an object that is gone', (key: string) => rm(objectFile(key)), 'not in the store', false],
    [
      'one that is too short',
      (key: string) => truncate(objectFile(key), 2),
      '2 bytes are in the store',
      false,
    ],
    [
      'one with other bytes, when they are read',
      (key: string) => writeFile(objectFile(key), 'lAke'),
      'it has other bytes',
      true,
    ],
  ])('is told of %s, with owner and file', async (_, spoil, words, readsContent) => {
    await take('kept')
    const id = await take('lake')
    await spoil(id)
    const { told, summary } = await reconcile({ readsContent })
    expect(summary).toMatchObject({ standing: 1, found: { lost: 1 } })
    const [only] = told
    if (only === undefined) throw new Error('Nothing was told.')
    const sentence = sentenceOf(only.mismatch, only.outcome)
    expect(sentence).toContain(words)
    expect(sentence).toContain(`upload ${id} "lake.csv" of somebody`)
    // It only looked.
    expect((await get(id)).state).toBe('ready')
  })

  test('is marked: its uploads are failed with a reason, and the same bytes can be uploaded again', async () => {
    await take('kept')
    const [first, twin] = [await take('lake'), await take('lake', 'twin.csv')]
    const undone = await take('lake', 'undone.csv')
    await instance.removals.removeWithUndo(undone, EVERYONE, 600)
    await rm(objectFile(first))

    const { kinds, summary } = await reconcile({ isMarking: true })
    expect(kinds).toEqual(['lost marked'])
    expect(summary.standing).toBe(0)
    for (const id of [first, twin]) {
      expect(await get(id)).toMatchObject({
        state: 'failed',
        errorCode: 'INTERNAL',
        errorDetail: 'The store lost the bytes of this upload. Upload the file again.',
      })
    }
    expect(await get(undone)).toMatchObject({ state: 'deleted', restoreState: null })
    expect(
      await ground.rows(`SELECT upload_id FROM events WHERE type = 'upload.failed.v1' ORDER BY upload_id`),
    ).toEqual([first, twin].sort().map((upload_id) => ({ upload_id })))
    const usage = await usageTwice(ground)
    expect(usage.kept).toEqual(usage.recounted)

    // Before, its bytes would have been thrown away for those that are lost.
    const again = await take('lake')
    expect((await ground.stored()).objects).toContain(again)
    expect((await reconcile()).summary.standing).toBe(0)
  })

  test('of a finalized package is told, and kept: the same file, uploaded again, gives it its bytes back', async () => {
    await take('kept')
    const id = await take('lake', 'lake.csv', 'lakes')
    await ground.rows(`UPDATE packages SET state = 'finalized', open_label = NULL`)
    await rm(objectFile(id))

    const marked = await reconcile({ isMarking: true })
    expect(marked.kinds).toEqual(['lost kept-finalized'])
    expect(marked.summary.standing).toBe(1)
    const [only] = marked.told
    if (only === undefined) throw new Error('Nothing was told.')
    expect(sentenceOf(only.mismatch, only.outcome)).toContain('in the finalized package')
    expect((await get(id)).state).toBe('ready')
    expect((await reconcile({ isMarking: true })).kinds).toEqual(['blobless told'])

    await take('lake')
    expect((await reconcile({ readsContent: true })).summary.standing).toBe(0)
    const { retrievalToken } = await get(id)
    const found = await instance.records.findByRetrievalToken(retrievalToken ?? '')
    expect((await ground.stored()).objects).toContain(found?.objectKey)
  })

  test('that nobody has a record of is told and marked, too', async () => {
    await take('kept')
    const id = await take('lake')
    await ground.rows('DELETE FROM blobs WHERE object_key = $1', [id])
    await ground.rows('DELETE FROM garbage')
    const { kinds } = await reconcile({ isMarking: true })
    expect(kinds.sort()).toEqual(['blobless marked', 'stray told'])
    expect((await get(id)).state).toBe('failed')
  })

  test('is not marked when not one recorded object is there: it is another store', async () => {
    const id = await take('lake')
    await rm(objectFile(id))
    await expect(reconcile({ isMarking: true })).rejects.toMatchObject({
      code: 'CONFLICT',
      detail: expect.stringContaining('another store'),
    })
    expect((await get(id)).state).toBe('ready')
    expect((await reconcile()).kinds).toEqual(['lost told'])
  })
})

describe('unfinished uploads whose bytes are lost', () => {
  test.each([
    ['gone', (id: string) => rm(temporaryFile(id))],
    ['shorter than what was acknowledged', (id: string) => truncate(temporaryFile(id), 3)],
  ])('are told and marked when they are %s', async (_, spoil) => {
    const [id, fine, canceled] = [await takeHalf(), await takeHalf(), await takeHalf()]
    await instance.removals.removeWithUndo(canceled, EVERYONE, 600)
    await spoil(id)
    await spoil(canceled)
    const looked = await reconcile()
    expect(looked.kinds).toEqual(['unfinished told', 'unfinished told'])
    expect(looked.told.map(({ mismatch }) => 'upload' in mismatch && mismatch.upload.id).sort()).toEqual(
      [id, canceled].sort(),
    )
    expect((await get(id)).state).toBe('receiving')

    expect((await reconcile({ isMarking: true })).kinds).toEqual(['unfinished marked', 'unfinished marked'])
    expect(await get(id)).toMatchObject({ state: 'failed', errorCode: 'INTERNAL' })
    expect(await get(canceled)).toMatchObject({ state: 'canceled', restoreState: null })
    expect((await get(fine)).state).toBe('receiving')
    expect((await reconcile()).summary.standing).toBe(0)
  })

  test('are nothing to anybody when their time is over: the sweep ends them', async () => {
    const id = await takeHalf()
    await rm(temporaryFile(id))
    await ground.rows(`UPDATE uploads SET expires_at = now() - interval '1 second' WHERE id = $1`, [id])
    expect((await reconcile({ isMarking: true })).kinds).toEqual([])
  })

  test('are left to whoever is writing them', async () => {
    const begun = await instance.intake.begin(uploaderNamed(OWNER), aFile(10), { isHeld: true })
    await rm(temporaryFile(begun.upload.id))
    const { told, summary } = await reconcile({ isMarking: true })
    expect(told.map(({ mismatch, outcome }) => `${mismatch.kind} ${outcome}`)).toEqual(['unfinished held'])
    expect(summary.standing).toBe(1)
    const [only] = told
    if (only === undefined) throw new Error('Nothing was told.')
    expect(sentenceOf(only.mismatch, only.outcome)).toContain('a request holds it')
    expect((await get(begun.upload.id)).state).toBe('receiving')
  })
})

describe('what no record knows', () => {
  test('is told: old, the sweep deletes it; young, it may belong to a request', async () => {
    await take('kept')
    const [old, young, half] = [randomId(), randomId(), randomId()]
    const twoDaysAgo = new Date(Date.now() - 2 * 86_400_000)
    for (const file of [objectFile(old), temporaryFile(half)]) {
      await writeFile(file, 'stray')
      await utimes(file, twoDaysAgo, twoDaysAgo)
    }
    await writeFile(objectFile(young), 'stray')
    const { told, summary } = await reconcile({ isMarking: true })
    expect(summary).toMatchObject({ standing: 2, youngStrays: 1, found: { stray: 2 } })
    const sentences = told.map(({ mismatch, outcome }) => sentenceOf(mismatch, outcome))
    expect(sentences).toContainEqual(
      expect.stringMatching(`STRAY object ${old} \\(5 bytes.*The sweep deletes it\\.$`),
    )
    expect(sentences).toContainEqual(expect.stringMatching(`STRAY temporary ${half}`))
    expect(sentences).toContainEqual(expect.stringMatching(`${young}.*It is young`))
    expect((await ground.stored()).objects).toEqual(expect.arrayContaining([old, young]))
  })
})

describe('records that contradict each other', () => {
  test('are told, and set right when they are marked', async () => {
    const id = await take('kept')
    const orphan = await take('orphan')
    await ground.rows('DELETE FROM uploads WHERE id = $1', [orphan])
    await ground.rows(`UPDATE owner_usage SET bytes = bytes + 7, files = 0 WHERE owner = $1`, [OWNER])
    await ground.rows(`INSERT INTO owner_usage (owner, bytes) VALUES ('nobody', 1)`)
    const looked = await reconcile()
    expect(looked.kinds).toEqual(['unreferenced told', 'usage told', 'usage told'])
    expect(looked.told[2]?.mismatch).toEqual({
      kind: 'usage',
      owner: OWNER,
      recorded: { bytes: 11, files: 0, openUploads: 0 },
      counted: { bytes: 4, files: 1, openUploads: 0 },
    })
    expect((await reconcile({ isMarking: true })).summary.standing).toBe(0)
    expect(await ground.stored()).toEqual({ tmp: [], objects: [id] })
    const usage = await usageTwice(ground)
    expect(usage.kept).toEqual(usage.recounted)
    expect((await reconcile()).kinds).toEqual([])
  })
})

describe('beside a running server', () => {
  test('nothing is told of what comes, grows, is finished and is deleted meanwhile', async () => {
    const isOver = new AbortController()
    const traffic = async (seed: number) => {
      for (let round = 0; !isOver.signal.aborted; round += 1) {
        const id = await take(`content ${seed} ${round % 3}`)
        const half = await takeHalf()
        await takeInTwoSteps(instance, OWNER, Buffer.from(`two steps ${seed} ${round}`))
        await instance.removals.remove(half, EVERYONE)
        if (round % 2 === 0) await instance.removals.remove(id, EVERYONE)
      }
    }
    const busy = [1, 2, 3].map(traffic)
    try {
      for (let run = 0; run < 12; run += 1) {
        const { told } = await reconcile({ isMarking: run % 2 === 0, readsContent: true })
        expect(told.filter(({ mismatch }) => !(mismatch.kind === 'stray' && !mismatch.isOld))).toEqual([])
      }
    } finally {
      isOver.abort()
      await Promise.all(busy)
    }
    expect((await reconcile()).summary.standing).toBe(0)
  })
})

describe('the command', () => {
  const lines: string[] = []
  let sweep: Sweep
  const run = (...argv: string[]) => {
    lines.length = 0
    return runSweepCommand(argv, { sweep, reconciliation }, (line) => lines.push(line))
  }
  beforeEach(() => {
    const asked: unknown[] = []
    sweep = Object.assign(Object.create(Sweep.prototype), {
      run: async (request: unknown) => {
        asked.push(request)
        lines.push(JSON.stringify(request))
        return null
      },
    })
  })

  test('ends with 1 when something does not match, and says what', async () => {
    await take('kept')
    expect(await run('--reconcile')).toBe(0)
    expect(lines.at(-1)).toBe('Everything matches.')
    await rm(objectFile(await take('lake')))
    expect(await run('--reconcile')).toBe(1)
    expect(lines.at(-1)).toMatch(/^Found: 1 lost objects\. docs\/backup\.md says/)
    expect(await run('--reconcile', '--json')).toBe(1)
    expect(lines.map((line) => JSON.parse(line).kind)).toEqual(['lost', 'summary'])
    expect(await run('--reconcile', '--mark', '--digests')).toBe(0)
    expect(lines.at(-1)).toBe('Found: 1 lost objects. All of it is marked.')
  })

  test('tells the sweep how old a stray is, when it is said', async () => {
    expect(await run('--dry-run', '--stray-age', '0s')).toBe(0)
    expect(lines[0]).toBe('{"isDryRun":true,"strayAgeSeconds":0}')
    expect(await run()).toBe(0)
    expect(lines[0]).toBe('{"isDryRun":false}')
  })

  test.each([
    ['--mark'],
    ['--json'],
    ['--digests'],
    ['--reconcile', '--dry-run'],
    ['--reconcile', '--stray-age', '1h'],
    ['--stray-age', 'old'],
    ['--help'],
    ['now'],
  ])('refuses %s %s with its usage', async (...argv) => {
    await expect(run(...argv)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      detail: expect.stringContaining('--reconcile'),
    })
  })
})
