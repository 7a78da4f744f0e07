import { describe, expect, test } from '@jest/globals'
import { Pace } from '../../server/uploads/pace.js'

/** 100 bytes a second over windows of 10 s, from 0 ms on. */
const newPace = () => new Pace(100, 10_000, 0)

describe('the pace of a body', () => {
  test('is judged when a window is over, not before', () => {
    const pace = newPace()
    expect(pace.isTooSlow(9_999)).toBe(false)
    expect(pace.isTooSlow(10_000)).toBe(true)
  })

  test('is the average over the window, however it comes', () => {
    const pace = newPace()
    pace.arrived(1)
    pace.arrived(999)
    expect(pace.isTooSlow(10_000)).toBe(false)
  })

  test('is judged anew in each window: what came before counts no more', () => {
    const pace = newPace()
    pace.arrived(1_000_000)
    expect(pace.isTooSlow(10_000)).toBe(false)
    pace.arrived(999)
    expect(pace.isTooSlow(19_999)).toBe(false)
    expect(pace.isTooSlow(20_000)).toBe(true)
  })

  test('does not count time in which the body waits for us', () => {
    const pace = newPace()
    pace.wait(1_000)
    expect(pace.isTooSlow(60_000)).toBe(false)
    pace.go(61_000)
    expect(pace.isTooSlow(69_999)).toBe(false)
    expect(pace.isTooSlow(70_000)).toBe(true)
  })

  test('counts the moments between short waits', () => {
    const pace = newPace()
    for (let at = 0; at < 40_000; at += 2_000) {
      pace.wait(at)
      pace.wait(at + 500)
      pace.go(at + 1_000)
      expect(pace.isTooSlow(at + 1_000)).toBe(at + 2_000 > 20_000)
      if (at + 2_000 > 20_000) return
    }
  })

  test('takes a wait over into the next window', () => {
    const pace = newPace()
    pace.arrived(1_000)
    pace.wait(10_000)
    expect(pace.isTooSlow(10_000)).toBe(false)
    pace.go(25_000)
    expect(pace.isTooSlow(34_999)).toBe(false)
    expect(pace.isTooSlow(35_000)).toBe(true)
  })
})
