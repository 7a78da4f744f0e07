import { describe, expect, test } from '@jest/globals'
import { Tally } from '../../../../client/cli/progress/tally.js'

describe('the tally', () => {
  test('counts what moves, and not what was there before', () => {
    const tally = new Tally()
    tally.total({ files: 1, bytes: 10_000 })
    tally.begin('a', 'a', 10_000, 0)
    tally.resume('a', 5000)
    for (let second = 1; second <= 4; second += 1) tally.move('a', 5000 + second * 500, null, second * 1000)
    const view = tally.view(4000)
    expect(view).toMatchObject({ bytes: 7000, bytesPerSecond: 500, secondsLeft: 6 })
    expect(view.running[0]).toMatchObject({ bytes: 7000, bytesPerSecond: 500 })
  })

  test('forgets a rate of more than ten seconds ago', () => {
    const tally = new Tally()
    tally.begin('a', 'a', 1e9, 0)
    for (let second = 1; second <= 10; second += 1) tally.move('a', second * 1000, null, second * 1000)
    for (let second = 11; second <= 30; second += 1) tally.move('a', 10_000, 'waits', second * 1000)
    expect(tally.view(30_000)).toMatchObject({ bytesPerSecond: 0, secondsLeft: null })
  })

  test('tells no rate in the first second', () => {
    const tally = new Tally()
    tally.begin('a', 'a', 1000, 0)
    tally.move('a', 500, null, 100)
    expect(tally.view(900).bytesPerSecond).toBeNull()
  })

  test('goes by the number of files where they are small', () => {
    const tally = new Tally()
    tally.total({ files: 1000, bytes: 1000 })
    for (let index = 0; index < 100; index += 1) {
      tally.begin(`${index}`, `${index}`, 1, index * 100)
      tally.end(`${index}`, 'done', index * 100 + 50)
    }
    const { secondsLeft, endedFiles, bytes } = tally.view(10_000)
    expect({ endedFiles, bytes }).toEqual({ endedFiles: 100, bytes: 100 })
    expect(secondsLeft).toBeGreaterThan(80)
    expect(secondsLeft).toBeLessThan(100)
  })

  test('counts a file that failed as over, and what was kept as nothing moved', () => {
    const tally = new Tally()
    tally.total({ files: 3, bytes: 300 })
    tally.begin('a', 'a', 100, 0)
    tally.begin('b', 'b', 100, 0)
    tally.begin('c', 'c', 100, 0)
    tally.end('a', 'failed', 1000)
    tally.end('b', 'kept', 1000)
    expect(tally.view(2000)).toMatchObject({ endedFiles: 2, failedFiles: 1, bytes: 200, bytesPerSecond: 0 })
    expect(tally.end('c', 'done', 2000)).toMatchObject({ name: 'c', bytes: 100 })
    expect(tally.view(2000)).toMatchObject({ endedFiles: 3, bytes: 300, secondsLeft: 0, running: [] })
    expect(tally.end('c', 'done', 2000)).toBeUndefined()
  })
})
