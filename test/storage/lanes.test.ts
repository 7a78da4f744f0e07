import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import { inLanes } from '../../server/storage/lanes.js'

const never = new AbortController().signal

describe('inLanes', () => {
  test('does all, begun in order, at most so many at a time, and answers in that order', async () => {
    const begun: number[] = []
    let underWay = 0
    let most = 0
    const items = Array.from({ length: 20 }, (_, index) => index)
    const results = await inLanes(3, items, never, async (item) => {
      begun.push(item)
      underWay += 1
      most = Math.max(most, underWay)
      await sleep((item * 7) % 5)
      underWay -= 1
      return item * 2
    })
    expect(begun).toEqual(items)
    expect(most).toBe(3)
    expect(results).toEqual(items.map((item) => item * 2))
  })

  test('of nothing is nothing', async () => {
    expect(await inLanes(3, [], never, async () => 1)).toEqual([])
  })

  test('ends with the first failure: the others are told, waited for, and no more are begun', async () => {
    const settled: number[] = []
    const doing = inLanes(2, [0, 1, 2, 3], never, async (item, signal) => {
      if (item === 1) throw new Error('the first')
      await sleep(10_000, undefined, { signal }).catch(() => sleep(20))
      settled.push(item)
      throw new Error('a later one')
    })
    await expect(doing).rejects.toThrow('the first')
    expect(settled).toEqual([0])
  })

  test('ends with the signal’s reason', async () => {
    const controller = new AbortController()
    const doing = inLanes(2, [0, 1, 2], controller.signal, (_, signal) =>
      sleep(10_000, undefined, { signal }),
    )
    controller.abort(new Error('enough'))
    await expect(doing).rejects.toThrow('enough')
    let isBegun = false
    const late = inLanes(2, [0], controller.signal, async () => {
      isBegun = true
    })
    await expect(late).rejects.toThrow('enough')
    expect(isBegun).toBe(false)
  })
})
