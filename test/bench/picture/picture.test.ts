import { describe, expect, test } from '@jest/globals'
import { SaxesParser } from 'saxes'
import { readOptions } from '../options.js'
import type { Results } from '../results.js'
import type { Contender, Sample } from '../sample.js'
import { columnsOf } from './panels.js'
import { drawPicture } from './picture.js'

function sample(metric: string, contender: Contender, value: number, round = 1): Sample {
  return { metric, contender, round, value }
}

const samples = [
  sample('bigfile', 'bare', 400),
  sample('bigfile', 'bare', 500, 2),
  sample('bigfile', 'ours', 200),
  sample('bigfile', 'ours', 300, 2),
  sample('loop.bigfile', 'ours', 3),
]
const results: Results = {
  machine: {
    processor: 'A & B <processor>',
    processorCount: 2,
    memoryBytes: 1e9,
    system: 'linux',
    fileSystem: { type: 'tmpfs', mountPoint: '/' },
    versions: { node: 'v20.19.0' },
  },
  options: readOptions([], ['bigfile']),
  runs: [
    { store: 'local', flags: 'some', samples, verdicts: [] },
    { store: 'local', flags: 'others', samples: [sample('bigfile', 'ours', 1)], verdicts: [] },
  ],
}

describe('the picture', () => {
  test('shows medians and ratios of the first set of flags', () => {
    expect(columnsOf(results)).toEqual([
      {
        title: 'In a local folder',
        panels: [
          {
            title: 'one 1 GiB PATCH',
            unit: 'MiB/s',
            bars: [
              { contender: 'bare', title: 'stock', value: 450 },
              { contender: 'ours', title: 'antipasto', value: 250 },
            ],
            ratios: ['0.55 × stock'],
          },
        ],
      },
    ])
  })

  test('is well-formed, and says in words what it shows', () => {
    const drawn = drawPicture(results)
    const parser = new SaxesParser()
    const texts: string[] = []
    parser.on('text', (text) => texts.push(text))
    parser.write(drawn).close()
    expect(texts).toContain('In a local folder. one 1 GiB PATCH: stock 450 MiB/s, antipasto 250 MiB/s.')
    expect(texts.some((text) => text.startsWith('A & B <processor>, 2 cores'))).toBe(true)
  })

  test('of nothing is refused', () => {
    expect(() => drawPicture({ ...results, runs: [] })).toThrow('none of the rows')
  })
})
