// The same content is stored once, whoever sends it and however they come and go at the same time.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { EVERYONE } from '../../server/auth/owner-scope.js'
import { someBytes } from '../dialects/tus-client.js'
import { collect } from '../storage/store-contract.js'
import {
  aBody,
  aFile,
  type Ground,
  type Instance,
  newGround,
  openInstance,
  takeInTwoSteps,
  uploaderNamed,
} from './parts.js'

let ground: Ground
let here: Instance
let there: Instance

beforeAll(async () => {
  ground = await newGround()
  here = await openInstance(ground)
  there = await openInstance(ground)
})
afterAll(async () => {
  await here.close()
  await there.close()
  await ground.dispose()
})

beforeEach(async () => {
  const alive = await ground.rows<{ id: string }>(`SELECT id FROM uploads WHERE state = 'ready'`)
  for (const { id } of alive) await here.removals.remove(id, EVERYONE)
  await expectNothingLeft()
})

async function expectNothingLeft(): Promise<void> {
  expect(await ground.stored()).toEqual({ tmp: [], objects: [] })
  expect(await ground.rows('SELECT * FROM blobs')).toEqual([])
  expect(await ground.rows('SELECT * FROM garbage')).toEqual([])
}

/** Every ready upload's bytes are there, and right; and no object is there that no blob names. */
async function expectEveryReadyUploadHasItsBytes(bytes: Buffer): Promise<void> {
  const ready = await ground.rows<{ token: string }>(
    `SELECT retrieval_token AS token FROM uploads WHERE state = 'ready'`,
  )
  for (const { token } of ready) {
    const found = await here.records.findByRetrievalToken(token)
    const object = await collect(
      here.store.readObject(found?.objectKey ?? 'none', { start: 0, end: bytes.length }),
    )
    expect(object.equals(bytes)).toBe(true)
  }
  const blobs = await ground.rows<{ key: string }>('SELECT object_key AS key FROM blobs ORDER BY 1')
  expect(blobs).toHaveLength(ready.length > 0 ? 1 : 0)
  expect((await ground.stored()).objects).toEqual(blobs.map(({ key }) => key))
  expect((await ground.stored()).tmp).toEqual([])
}

type Take = (instance: Instance, owner: string, bytes: Buffer) => Promise<string>

const ways: [string, Buffer, Take][] = [
  [
    'small, in one request',
    someBytes(10_000),
    ({ intake }, owner, bytes) => intake.takeWhole(uploaderNamed(owner), aFile(bytes.length), aBody(bytes)),
  ],
  ['in two steps', someBytes(200_000), takeInTwoSteps],
]

describe.each(ways)('uploads of one content, %s', (_, bytes, take) => {
  test('20 at once are one blob and one object; 19 deleted leave the bytes, the last takes them', async () => {
    const owners = Array.from({ length: 20 }, (_, i) => `owner ${i % 3}`)
    const ids = await Promise.all(owners.map((owner, i) => take(i % 2 === 0 ? here : there, owner, bytes)))
    expect(new Set(ids).size).toBe(20)
    await expectEveryReadyUploadHasItsBytes(bytes)
    expect((await ground.stored()).objects).toHaveLength(1)

    const [last = '', ...others] = ids
    await Promise.all(others.map((id, i) => (i % 2 === 0 ? here : there).removals.remove(id, EVERYONE)))
    await expectEveryReadyUploadHasItsBytes(bytes)
    expect((await ground.stored()).objects).toHaveLength(1)
    await here.removals.remove(last, EVERYONE)
    await expectNothingLeft()
  })

  test('50 times, one is deleted while one arrives: never a ready upload without its bytes', async () => {
    let old = await take(here, 'somebody', bytes)
    for (let round = 0; round < 50; round += 1) {
      const [fresh] = await Promise.all([take(there, 'somebody', bytes), here.removals.remove(old, EVERYONE)])
      await expectEveryReadyUploadHasItsBytes(bytes)
      old = fresh
    }
    await here.removals.remove(old, EVERYONE)
    await expectNothingLeft()
  })

  test('many come and go at once: what is ready has its bytes, and nothing is left behind', async () => {
    const life = async (i: number) => {
      const instance = i % 2 === 0 ? here : there
      for (let round = 0; round < 3; round += 1) {
        const id = await take(instance, `owner ${i}`, bytes)
        const upload = await instance.records.get(id, EVERYONE)
        const found = await instance.records.findByRetrievalToken(upload.retrievalToken ?? '')
        const { head } = await instance.store.readObjectHead(found?.objectKey ?? 'none', 10)
        expect(Buffer.from(head).equals(bytes.subarray(0, 10))).toBe(true)
        await (i % 3 === 0 ? there : instance).removals.remove(id, EVERYONE)
      }
    }
    await Promise.all(Array.from({ length: 8 }, (_, i) => life(i)))
    await expectNothingLeft()
  })
})

test('another content is another blob', async () => {
  const [first, second] = [someBytes(1_000, 1), someBytes(1_000, 2)]
  for (const bytes of [first, second])
    await here.intake.takeWhole(uploaderNamed('somebody'), aFile(1_000), aBody(bytes))
  expect((await ground.stored()).objects).toHaveLength(2)
})
