import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { GroupCommit } from '../../server/uploads/group-commit.js'

/** A commit that takes a moment, answers each item doubled, and refuses every group with a 13 in it. */
function doubling(maxItems: number) {
  const groups: number[][] = []
  let running = 0
  const commit = new GroupCommit(async (items: number[]) => {
    running += 1
    expect(running).toBe(1)
    groups.push(items)
    await sleep(10)
    running -= 1
    if (items.includes(13)) throw new Error('unlucky')
    return items.map((item) => item * 2)
  }, maxItems)
  return { commit, groups }
}

test('what comes while a commit runs goes into the next one, and everyone gets its own result', async () => {
  const { commit, groups } = doubling(100)
  const results = await Promise.all([1, 2, 3, 4].map((item) => commit.add(item)))
  expect(results).toEqual([2, 4, 6, 8])
  expect(groups).toEqual([[1], [2, 3, 4]])
})

test('a group is never larger than it may be', async () => {
  const { commit, groups } = doubling(3)
  const items = Array.from({ length: 8 }, (_, i) => i)
  expect(await Promise.all(items.map((item) => commit.add(item)))).toEqual(items.map((item) => item * 2))
  expect(groups.every((group) => group.length <= 3)).toBe(true)
  expect(groups.flat()).toEqual(items)
})

test('a commit that fails fails its group, and only that one', async () => {
  const { commit } = doubling(2)
  const outcomes = await Promise.allSettled([1, 13, 3, 4, 5].map((item) => commit.add(item)))
  expect(outcomes.map(({ status }) => status)).toEqual([
    'fulfilled',
    'rejected',
    'rejected',
    'fulfilled',
    'fulfilled',
  ])
  expect(await commit.add(6)).toBe(12)
})

test('one alone waits for nobody', async () => {
  const { commit, groups } = doubling(100)
  expect(await commit.add(1)).toBe(2)
  expect(await commit.add(2)).toBe(4)
  expect(groups).toEqual([[1], [2]])
})
