// A list of which some is shown, and more when it is asked for.

import { expect, test } from '@jest/globals'
import { createShownList } from '../../../client/dashboard/settings/shown-list.js'

interface Item {
  id: number
  note?: string
}

/** A list of numbers on a server that can fail; `read` counts what was asked of it. */
function ground(length: number) {
  const state = { length, failsAt: Number.POSITIVE_INFINITY, read: 0, opened: 0 }
  const list = createShownList<Item>({
    async *open() {
      state.opened += 1
      for (let id = 0; id < state.length; id += 1) {
        if (id >= state.failsAt) throw new Error('away')
        state.read += 1
        yield { id }
      }
    },
    idOf: ({ id }) => String(id),
    step: 3,
  })
  return { state, list, ids: () => list.items.value?.map(({ id }) => id) ?? null }
}

test('shows a few, then more, and reads only one further than it shows', async () => {
  const { state, list, ids } = ground(7)
  expect(ids()).toBeNull()
  await list.more()
  expect([ids(), list.hasMore.value, state.read]).toEqual([[0, 1, 2], true, 4])
  await list.more()
  expect([ids(), list.hasMore.value]).toEqual([[0, 1, 2, 3, 4, 5], true])
  await list.more()
  expect([ids(), list.hasMore.value, state.opened]).toEqual([[0, 1, 2, 3, 4, 5, 6], false, 1])
})

test.each([0, 1, 3])('of %p it says that there are no more', async (length) => {
  const { list, ids } = ground(length)
  await list.more()
  expect([ids()?.length, list.hasMore.value, list.isLoading.value]).toEqual([length, false, false])
})

test('keeps what it shows when the rest fails, and goes on when that is tried again', async () => {
  const { state, list, ids } = ground(6)
  await list.more()
  state.failsAt = 4
  await list.more()
  expect([ids(), list.isLoading.value]).toEqual([[0, 1, 2], false])
  expect(list.error.value).toBeInstanceOf(Error)
  state.failsAt = Number.POSITIVE_INFINITY
  await list.more()
  expect([ids(), list.error.value, list.hasMore.value]).toEqual([[0, 1, 2], null, true])
  await list.more()
  expect(ids()).toEqual([0, 1, 2, 3, 4, 5])
})

test('shows as many again when it is asked for anew', async () => {
  const { state, list, ids } = ground(9)
  await list.more()
  await list.more()
  state.length = 5
  await list.again()
  expect([ids(), list.hasMore.value]).toEqual([[0, 1, 2, 3, 4], false])
})

test('of two askings at once the later one counts', async () => {
  const { list, ids } = ground(9)
  await Promise.all([list.more(), list.again()])
  expect([ids(), list.isLoading.value]).toEqual([[0, 1, 2], false])
})

test('puts a new one in front, a changed one in its place, and takes one away', async () => {
  const { list, ids } = ground(3)
  await list.more()
  list.put({ id: 9 })
  list.put({ id: 1, note: 'changed' })
  expect(ids()).toEqual([9, 0, 1, 2])
  expect(list.items.value?.[2]).toEqual({ id: 1, note: 'changed' })
  list.remove({ id: 0 })
  expect(ids()).toEqual([9, 1, 2])
})
