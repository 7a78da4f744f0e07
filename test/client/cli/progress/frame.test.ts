import { describe, expect, test } from '@jest/globals'
import { displayWidth } from '../../../../client/cli/display-width.js'
import { frameOf, totalWords } from '../../../../client/cli/progress/frame.js'
import { Tally } from '../../../../client/cli/progress/tally.js'
import fc from '../../../support/properties.js'

const MIB = 1024 ** 2

/** Two files in the middle, one that waits, after 20 s at 3 MiB/s. */
function aTally(): Tally {
  const tally = new Tally()
  tally.total({ files: 12, bytes: 400 * MIB })
  tally.begin('a', 'data/temperature-of-the-lake-at-every-depth-2026.csv', 100 * MIB, 0)
  tally.begin('b', 'data/湖水の温度と塩分の記録.csv', 50 * MIB, 0)
  tally.begin('c', 'notes.txt', 10 * MIB, 0)
  for (let second = 1; second <= 20; second += 1) {
    tally.move('a', 2 * MIB * second, null, second * 1000)
    tally.move('b', MIB * second, null, second * 1000)
  }
  tally.move('c', MIB, 'The connection broke: trying again in 12 s', 20_000)
  return tally
}

describe('the frame', () => {
  test('at 40 columns keeps the share, the bytes and the names', () => {
    expect(frameOf(aTally().view(20_000), 40, 20_000)).toEqual([
      ' 40 %    40.0 MB  data/temper…h-2026.csv',
      ' 40 %    20.0 MB  data/湖水の…の記録.csv',
      ' 10 %     1.0 MB  notes.txt',
      '  The connection broke: trying again in…',
      '0 of 12 files',
    ])
  })

  test('at 80 columns has bars and rates', () => {
    expect(frameOf(aTally().view(20_000), 80, 20_000)).toEqual([
      '[#####.........]   40 %    40.0 MB     2.0 MB/s  data/temperatur…-depth-2026.csv',
      '[#####.........]   40 %    20.0 MB     1.0 MB/s  data/湖水の温度と塩分の記録.csv',
      '[#.............]   10 %     1.0 MB               notes.txt',
      '  The connection broke: trying again in 12 s',
      '0 of 12 files, 61.0 MB of 400.0 MB (15 %), 3.2 MB/s, 1 min 47 s left',
    ])
  })

  test('at 200 columns has whole names', () => {
    const lines = frameOf(aTally().view(20_000), 200, 20_000)
    expect(lines[0]).toBe(
      '[############..................]   40 %    40.0 MB     2.0 MB/s  data/temperature-of-the-lake-at-every-depth-2026.csv',
    )
  })

  test('shows what runs for a while, at most eight of it, and how many more there are', () => {
    const tally = new Tally()
    for (let index = 0; index < 12; index += 1) tally.begin(`${index}`, `file ${index}`, MIB, 0)
    tally.begin('new', 'a new one', MIB, 900)
    const lines = frameOf(tally.view(1000), 80, 1000)
    expect(lines).toHaveLength(10)
    expect(lines.at(-2)).toBe('  and 4 more')
    expect(lines.join()).not.toContain('a new one')
  })

  test('tells how many have failed, and that more are being found', () => {
    const tally = new Tally()
    tally.total({ files: 1200, bytes: 3000, isGrowing: true })
    tally.begin('a', 'a', 1000, 0)
    tally.end('a', 'failed', 10)
    expect(totalWords(tally.view(20))).toBe('1 of 1,200+ files, 1 failed, 1000 B')
  })

  test('of a file whose size nobody knows shows what has come', () => {
    const tally = new Tally()
    tally.begin('a', 'a', null, 0)
    tally.move('a', 5000, null, 1000)
    expect(frameOf(tally.view(1000), 80, 1000)[0]).toBe('[..............]            4.9 KB     4.9 KB/s  a')
  })

  test('is never wider than the terminal, whatever the names are', () => {
    // Wide characters, and notes of music, whose stems take columns of their own.
    const unit = fc.oneof(
      fc.constantFrom('湖', 'が', '👩‍🔬', '\u{1d15f}', '\u{1d162}'),
      fc.string({ unit: 'grapheme', maxLength: 5 }),
    )
    const name = fc.string({ unit, maxLength: 300 }).map((text) => text.replaceAll(/\p{Cc}/gu, '?'))
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 250 }), fc.array(name, { maxLength: 12 }), (columns, names) => {
        const tally = new Tally()
        for (const [index, text] of names.entries()) {
          tally.begin(`${index}`, text, 1000, 0)
          tally.move(`${index}`, 500, index % 2 === 0 ? null : text, 1000)
        }
        const lines = frameOf(tally.view(1000), columns, 1000)
        expect(lines.filter((line) => displayWidth(line) > columns)).toEqual([])
      }),
    )
  })
})
