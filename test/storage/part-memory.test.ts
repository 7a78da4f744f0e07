// Time is Jest's here: a second of patience is one call. Under load the real one is in test/end-to-end.

import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { type PartBuffer, PartMemory } from '../../server/storage/part-memory.js'
import fc from '../support/properties.js'

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
/** What all fast buffers together may have. */
const FAST_BYTES = 100
const BUDGET_BYTES = FAST_BYTES / (3 / 8)
/** What may be counted at all. */
const COUNTED_BYTES = Math.floor((BUDGET_BYTES * 7) / 8)

beforeEach(() => {
  jest.useFakeTimers()
})
afterEach(() => {
  const timers = jest.getTimerCount()
  jest.useRealTimers()
  expect(timers).toBe(0)
})

/** A buffer that is sent when it is spilled, and stays on its way until `arrive`. */
class TestBuffer implements PartBuffer {
  heldBytes = 0
  spills = 0
  isIn = false
  #isWaiting = false
  readonly #memory: PartMemory
  readonly #underWay: (() => void)[] = []

  constructor(memory: PartMemory) {
    this.#memory = memory
  }

  open(wantedBytes: number): void {
    const turn = this.#memory.open(this, wantedBytes)
    this.isIn = turn === null
    this.#isWaiting = turn !== null
    void turn?.then(() => {
      this.isIn = this.#isWaiting
      this.#isWaiting = false
    })
  }

  spill(): void {
    this.spills += 1
    this.send()
  }

  send(): void {
    this.#underWay.push(this.#memory.send(this))
    this.heldBytes = 0
    this.isIn = false
  }

  arrive(): void {
    this.#underWay.shift()?.()
  }

  leave(): void {
    this.#memory.leave(this)
    this.isIn = false
    this.#isWaiting = false
  }
}

function buffersOf(memory: PartMemory, count: number): TestBuffer[] {
  return Array.from({ length: count }, () => new TestBuffer(memory))
}

/** Lets whoever was let in know. */
const settle = () => jest.advanceTimersByTimeAsync(0)
const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms)

describe('the budget', () => {
  test('has a share for fast buffers, as many as that holds whole; the others wait, first come, first served', async () => {
    const [a, b, c, d] = buffersOf(new PartMemory(BUDGET_BYTES), 4) as [
      TestBuffer,
      TestBuffer,
      TestBuffer,
      TestBuffer,
    ]
    a.open(40)
    b.open(60)
    c.open(45)
    d.open(10)
    await settle()
    expect([a, b, c, d].map(({ isIn }) => isIn)).toEqual([true, true, false, false])
    // Room for `d`, not for `c`, which came before.
    a.leave()
    await settle()
    expect([c.isIn, d.isIn]).toEqual([false, false])
    b.leave()
    await settle()
    expect([c.isIn, d.isIn]).toEqual([true, true])
  })

  test('counts what is on its way until it has arrived', async () => {
    const memory = new PartMemory(BUDGET_BYTES)
    const [a, b] = buffersOf(memory, 2) as [TestBuffer, TestBuffer]
    a.open(60)
    a.heldBytes = 60
    a.send()
    expect(memory.sendingBytes).toBe(60)
    b.open(45)
    await settle()
    expect(b.isIn).toBe(false)
    a.arrive()
    await settle()
    expect(b.isIn).toBe(true)
    expect(memory.sendingBytes).toBe(0)
  })

  test('lets a large buffer fill while another of its size is on its way', async () => {
    const [sent, filling, third] = buffersOf(new PartMemory(BUDGET_BYTES), 3) as [
      TestBuffer,
      TestBuffer,
      TestBuffer,
    ]
    sent.open(90)
    sent.heldBytes = 90
    sent.send()
    filling.open(90)
    third.open(90)
    await settle()
    expect([filling.isIn, third.isIn]).toEqual([true, false])
    sent.arrive()
    await settle()
    expect(third.isIn).toBe(true)
    third.leave()
  })

  test('is not asked by a buffer that is open already, nor by one that is larger than all of it and alone', async () => {
    const memory = new PartMemory(BUDGET_BYTES)
    const [a] = buffersOf(memory, 1) as [TestBuffer]
    expect(memory.open(a, 1000)).toBeNull()
    expect(memory.open(a, 1000)).toBeNull()
  })

  test('is never overrun by fast buffers, nobody is passed, and nobody waits when all have left', async () => {
    const events = fc.array(
      fc.record({ what: fc.constantFrom('open', 'fill', 'send', 'arrive', 'leave'), who: fc.nat(7) }),
      { maxLength: 60 },
    )
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 40, max: 120 }), events, async (budgetBytes, happenings) => {
        const memory = new PartMemory(budgetBytes)
        const buffers = buffersOf(memory, 8)
        const wantedOf = (index: number) => 5 * (index + 1)
        const queue: TestBuffer[] = []
        const known = new Set<TestBuffer>()
        for (const { what, who } of happenings) {
          const buffer = buffers[who] as TestBuffer
          if (what === 'open' && !known.has(buffer)) {
            buffer.open(wantedOf(who))
            known.add(buffer)
            if (!buffer.isIn) queue.push(buffer)
          } else if (what === 'fill' && buffer.isIn) buffer.heldBytes = wantedOf(who)
          else if (what === 'send' && buffer.isIn && buffer.heldBytes > 0) {
            buffer.send()
            known.delete(buffer)
          } else if (what === 'arrive') buffer.arrive()
          else if (what === 'leave') {
            buffer.leave()
            known.delete(buffer)
            if (queue.includes(buffer)) queue.splice(queue.indexOf(buffer), 1)
          }
          await settle()
          // Who has been let in came before all who wait.
          while (queue[0]?.isIn) queue.shift()
          expect(queue.filter(({ isIn }) => isIn)).toEqual([])
          const openBytes = buffers.reduce((sum, { isIn }, index) => sum + (isIn ? wantedOf(index) : 0), 0)
          expect(openBytes + memory.sendingBytes).toBeLessThanOrEqual(budgetBytes)
        }
        for (const buffer of buffers) {
          buffer.leave()
          for (let sent = 0; sent < happenings.length; sent++) buffer.arrive()
        }
        expect(memory.sendingBytes).toBe(0)
        expect(jest.getTimerCount()).toBe(0)
      }),
    )
  })
})

describe('a slow buffer', () => {
  /** Opens them, one after the other, and fills them so slowly that none counts as fast. */
  async function fillSlowly(
    buffers: readonly TestBuffer[],
    wantedBytes: number,
    heldBytes: number,
  ): Promise<void> {
    for (const buffer of buffers) {
      buffer.open(wantedBytes)
      await pass(300)
    }
    for (const buffer of buffers) buffer.heldBytes = heldBytes
    await pass(MINUTE_MS)
  }

  test('counts soon for what it holds, so that another finds room', async () => {
    const [slow, next] = buffersOf(new PartMemory(BUDGET_BYTES), 2) as [TestBuffer, TestBuffer]
    slow.open(FAST_BYTES)
    slow.heldBytes = 1
    next.open(90)
    await settle()
    expect(next.isIn).toBe(false)
    await pass(SECOND_MS)
    expect(next.isIn).toBe(true)
    expect(slow.spills).toBe(0)
  })

  test('is stored early when another has waited for a second; the oldest, and no other meanwhile', async () => {
    const [older, newer, next] = buffersOf(new PartMemory(BUDGET_BYTES), 3) as [
      TestBuffer,
      TestBuffer,
      TestBuffer,
    ]
    await fillSlowly([older, newer], 50, 100)
    next.open(50)
    await pass(SECOND_MS - 1)
    expect([older.spills, newer.spills]).toEqual([0, 0])
    await pass(300)
    expect([older.spills, newer.spills]).toEqual([1, 0])
    await pass(500)
    // What is on its way may be enough.
    expect([older.spills, newer.spills]).toEqual([1, 0])
    expect(next.isIn).toBe(false)
    older.arrive()
    await settle()
    expect(next.isIn).toBe(true)
    expect(newer.spills).toBe(0)
  })

  test('is stored early, too, when the one before hangs on its way', async () => {
    const memory = new PartMemory(BUDGET_BYTES)
    const [older, newer, next] = buffersOf(memory, 3) as [TestBuffer, TestBuffer, TestBuffer]
    await fillSlowly([older, newer], 50, 100)
    next.open(50)
    await pass(3 * SECOND_MS)
    expect([older.spills, newer.spills]).toEqual([1, 1])
    next.leave()
  })

  test('is no reason to wait for ever: with everything held by silent ones, everybody gets a turn', async () => {
    const memory = new PartMemory(BUDGET_BYTES)
    const silent = buffersOf(memory, 5)
    await fillSlowly(silent, 20, COUNTED_BYTES / 5)
    const others = buffersOf(memory, 20)
    for (const buffer of others) buffer.open(20)
    const served = new Set<TestBuffer>()
    for (let waitedMs = 0; waitedMs < MINUTE_MS && served.size < others.length; waitedMs += 250) {
      await pass(250)
      for (const buffer of [...silent, ...others]) buffer.arrive()
      await settle()
      for (const buffer of others) {
        if (!buffer.isIn) continue
        served.add(buffer)
        // It becomes a silent one, too.
        buffer.heldBytes = 20
      }
    }
    expect(served.size).toBe(others.length)
    for (const buffer of others) buffer.leave()
  })

  test('that holds nothing is not stored', async () => {
    const [empty, full, next] = buffersOf(new PartMemory(BUDGET_BYTES), 3) as [
      TestBuffer,
      TestBuffer,
      TestBuffer,
    ]
    empty.open(50)
    await fillSlowly([full], 50, COUNTED_BYTES)
    next.open(50)
    await pass(2 * SECOND_MS)
    expect([empty.spills, full.spills]).toEqual([0, 1])
    for (const buffer of [empty, full, next]) buffer.leave()
  })
})

describe('relieving', () => {
  test('stores the oldest that holds something, however young it is', () => {
    const memory = new PartMemory(BUDGET_BYTES)
    const [empty, full, fuller] = buffersOf(memory, 3) as [TestBuffer, TestBuffer, TestBuffer]
    for (const buffer of [empty, full, fuller]) buffer.open(30)
    full.heldBytes = 1
    fuller.heldBytes = 30
    memory.relieve()
    expect([empty.spills, full.spills, fuller.spills]).toEqual([0, 1, 0])
  })

  test('stores nothing while something is on its way: that will be free in a moment', () => {
    const memory = new PartMemory(BUDGET_BYTES)
    const [sent, full] = buffersOf(memory, 2) as [TestBuffer, TestBuffer]
    for (const buffer of [sent, full]) {
      buffer.open(30)
      buffer.heldBytes = 30
    }
    sent.send()
    memory.relieve()
    expect(full.spills).toBe(0)
    sent.arrive()
    memory.relieve()
    expect(full.spills).toBe(1)
  })

  test('does not wait for what hangs on its way', async () => {
    const memory = new PartMemory(BUDGET_BYTES)
    const [hanging, full] = buffersOf(memory, 2) as [TestBuffer, TestBuffer]
    for (const buffer of [hanging, full]) {
      buffer.open(30)
      buffer.heldBytes = 30
    }
    hanging.send()
    await pass(SECOND_MS)
    memory.relieve()
    expect(full.spills).toBe(1)
  })

  test('stores what came after a spill, too, though nobody asked for room for it', () => {
    const memory = new PartMemory(BUDGET_BYTES)
    const [buffer] = buffersOf(memory, 1) as [TestBuffer]
    buffer.open(30)
    buffer.heldBytes = 30
    memory.relieve()
    buffer.arrive()
    memory.hold(buffer, 30)
    buffer.heldBytes = 5
    memory.relieve()
    expect(buffer.spills).toBe(2)
  })

  test('of nothing is nothing', () => {
    new PartMemory(BUDGET_BYTES).relieve()
  })
})

describe('who leaves', () => {
  test('waits no more, and keeps nobody behind waiting', async () => {
    const [a, b, c] = buffersOf(new PartMemory(BUDGET_BYTES), 3) as [TestBuffer, TestBuffer, TestBuffer]
    a.open(90)
    b.open(30)
    c.open(10)
    await settle()
    expect([b.isIn, c.isIn]).toEqual([false, false])
    b.leave()
    await settle()
    expect(c.isIn).toBe(true)
  })

  test('has its wait ended: nobody hangs on a buffer that is given up', async () => {
    const memory = new PartMemory(BUDGET_BYTES)
    const [a, b] = buffersOf(memory, 2) as [TestBuffer, TestBuffer]
    a.open(FAST_BYTES)
    const waiting = memory.open(b, 50)
    memory.leave(b)
    await expect(waiting).resolves.toBeUndefined()
    a.leave()
    // Its place is free as well.
    expect(memory.open(a, FAST_BYTES)).toBeNull()
  })
})
