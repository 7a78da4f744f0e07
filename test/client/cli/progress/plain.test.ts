import { describe, expect, test } from '@jest/globals'
import { openProgress } from '../../../../client/cli/progress/open.js'

const WORDS = { done: 'sent', kept: 'already there', failed: 'FAILED', stopped: 'stopped' }

function open(place: { isJson?: boolean; isQuiet?: boolean }) {
  const lines: string[] = []
  const say = (line: string) => void lines.push(line)
  return {
    lines,
    progress: openProgress(
      { isJson: false, isQuiet: false, isTerminal: false, note: say, warn: say, redirect() {}, ...place },
      WORDS,
    ),
  }
}

describe('progress without a terminal', () => {
  test('is a line for each file that has ended', () => {
    const { lines, progress } = open({})
    progress.total({ files: 2, bytes: 3000 })
    progress.begin('1', 'a.csv', 2000)
    progress.begin('2', 'b.csv', 1000)
    progress.move('1', 1000)
    expect(lines).toEqual([])
    progress.end('1', 'done')
    progress.end('2', 'kept')
    progress.note('a note')
    progress.close()
    expect(lines).toEqual(['sent  2.0 KB  a.csv', 'already there  1000 B  b.csv', 'a note'])
  })

  test.each([{ isQuiet: true }, { isJson: true }])('says only what went wrong with %j', (place) => {
    const { lines, progress } = open(place)
    progress.begin('1', 'a.csv', 2000)
    progress.end('1', 'done')
    progress.note('a note')
    progress.warn('b.csv: it vanished')
    progress.close()
    expect(lines).toEqual(['b.csv: it vanished'])
  })
})
