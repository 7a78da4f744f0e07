import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { Turns } from '../../server/storage/turns.js'
import fc from '../support/properties.js'

test('what is done is answered, and what fails fails, and either gives its turn on', async () => {
  const turns = new Turns(1)
  const outcomes = await Promise.allSettled([
    turns.take(async () => 'one'),
    turns.take(() => Promise.reject(new Error('two'))),
    turns.take(async () => 'three'),
  ])
  expect(outcomes).toMatchObject([
    { value: 'one' },
    { reason: { message: 'two' } },
    { status: 'fulfilled', value: 'three' },
  ])
  expect(await turns.take(async () => 'four')).toBe('four')
})

test('never more at a time than the limit, as many as it allows, in the order of their coming', async () => {
  const limits = fc.integer({ min: 1, max: 5 })
  const works = fc.array(fc.record({ ms: fc.nat(3), fails: fc.boolean() }), { maxLength: 20 })
  await fc.assert(
    fc.asyncProperty(limits, works, async (limit, all) => {
      const turns = new Turns(limit)
      const begun: number[] = []
      let underWay = 0
      let mostUnderWay = 0
      await Promise.allSettled(
        all.map(({ ms, fails }, index) =>
          turns.take(async () => {
            begun.push(index)
            underWay += 1
            mostUnderWay = Math.max(mostUnderWay, underWay)
            await sleep(ms)
            underWay -= 1
            if (fails) throw new Error('failed')
          }),
        ),
      )
      expect(begun).toEqual(all.map((_, index) => index))
      expect(mostUnderWay).toBe(Math.min(limit, all.length))
    }),
    { numRuns: 30 },
  )
})

test('a turn that is given on is not taken by a newcomer', async () => {
  const turns = new Turns(1)
  const order: string[] = []
  let finish = () => {}
  const first = turns.take(() => new Promise<void>((resolve) => (finish = resolve)))
  const waiting = turns.take(async () => void order.push('who waited'))
  finish()
  await first
  await turns.take(async () => void order.push('newcomer'))
  await waiting
  expect(order).toEqual(['who waited', 'newcomer'])
})
