import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { inOrder } from '../../../client/cli/in-order.js'

test('results come in order, however long each takes, and no more than so many run at once', async () => {
  let running = 0
  let most = 0
  const results: number[] = []
  const work = async (item: number) => {
    running += 1
    most = Math.max(most, running)
    await sleep((item * 7) % 5)
    running -= 1
    return item
  }
  for await (const result of inOrder(
    Array.from({ length: 50 }, (_, index) => index),
    4,
    work,
  ))
    results.push(result)
  expect(results).toEqual(Array.from({ length: 50 }, (_, index) => index))
  expect(most).toBe(4)
})

test('a failure ends it, after what runs has ended', async () => {
  let ended = 0
  const all = inOrder([1, 2, 3], 3, async (item) => {
    await sleep(item)
    ended += 1
    if (item !== 2) throw new Error(`item ${item}`)
    return item
  })
  await expect(all.next()).rejects.toThrow('item 1')
  expect(ended).toBe(3)
})
