// Discarded bytes that can't be deleted now: what is tried, what is passed by, what is left for the sweep.

import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { AppError } from '../../server/errors.js'
import type { Store } from '../../server/storage/store.js'
import type { Discarded } from '../../server/uploads/garbage.js'
import { type Ground, type Instance, newGround, openInstance } from './parts.js'

let ground: Ground
let instance: Instance
/** Keys that the store can't delete now; null: none at all. */
let undeletable: Set<string> | null
let tried: string[]
let deleteObject: (key: string) => Promise<void>

function troubled(store: Store): Store {
  deleteObject = async (key) => {
    tried.push(key)
    if (undeletable === null || undeletable.has(key)) throw new AppError('UNAVAILABLE', 'Not now.')
    await store.deleteObject(key)
  }
  return new Proxy(store, {
    get: (target, name) => {
      if (name === 'deleteObject') return (key: string) => deleteObject(key)
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

beforeEach(async () => {
  undeletable = new Set()
  tried = []
  ground = await newGround()
  instance = await openInstance(ground, { wrapStore: troubled })
})
afterEach(async () => {
  await instance.close()
  await ground.dispose()
})

/** So many discarded objects, with their rows. */
async function discard(count: number): Promise<Discarded[]> {
  const keys = Array.from({ length: count }, () => randomBytes(20).toString('hex'))
  await ground.rows("INSERT INTO garbage (kind, object_key) SELECT 'object', unnest($1::text[])", [keys])
  return keys.map((objectKey) => ({ kind: 'object', objectKey }))
}

const rowsLeft = async () =>
  (await ground.rows<{ key: string }>('SELECT object_key AS key FROM garbage')).map(({ key }) => key).sort()

test('what can be deleted is, whatever else cannot, and only that is left for the sweep', async () => {
  const discarded = await discard(8)
  const keys = discarded.map(({ objectKey }) => objectKey)
  undeletable = new Set([keys[0] as string, keys[1] as string, keys[4] as string])
  expect(await instance.garbage.empty(discarded)).toBe(5)
  expect(tried).toEqual(keys)
  expect(await rowsLeft()).toEqual([...undeletable].sort())
})

test('a store that is away is left alone after sixteen at once, and all rows stay', async () => {
  const discarded = await discard(40)
  undeletable = null
  expect(await instance.garbage.empty(discarded)).toBe(0)
  expect(tried).toHaveLength(16)
  expect(await rowsLeft()).toHaveLength(40)
})

test('a client waits ten seconds for a store in trouble, and no longer; the deletion goes on', async () => {
  const discarded = await discard(1)
  let answer = () => {}
  const hanging = new Promise<void>((resolve) => {
    answer = resolve
  })
  const whole = deleteObject
  deleteObject = async (key) => {
    await hanging
    await whole(key)
  }
  const since = performance.now()
  await instance.garbage.emptySoon(discarded)
  const waitedMs = performance.now() - since
  expect(waitedMs).toBeGreaterThan(9_900)
  expect(waitedMs).toBeLessThan(15_000)
  expect(await rowsLeft()).toHaveLength(1)
  answer()
  while ((await rowsLeft()).length > 0) await new Promise((resolve) => setTimeout(resolve, 20))
})
