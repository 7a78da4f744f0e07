import { describe, expect, test } from '@jest/globals'
import {
  asSeenHere,
  isMoving,
  isShown,
  type Report,
  readReportPage,
  uploadIdOf,
} from '../../client/dashboard/report.js'

const ANSWERED = {
  id: 'a1',
  state: 'ready',
  filename: 'lake.csv',
  relative_path: null,
  size: 12,
  offset: 12,
  checksums: { md5: 'm', sha1: 's', sha256: 'h' },
  retrieval_url: 'https://staging.example.org/r/t/lake.csv',
  expires_at: '2026-12-20T10:00:00Z',
  expires_in: 2_505_600,
  warnings: ['Empty.', { code: 'HTML', detail: 'Looks like HTML.' }],
  error: null,
}

describe("reading the server's list", () => {
  test('keeps what the page shows', () => {
    const { reports, nextCursor } = readReportPage({ items: [ANSWERED], next_cursor: 'c2' })
    expect(nextCursor).toBe('c2')
    expect(reports).toEqual([
      {
        id: 'a1',
        state: 'ready',
        title: 'lake.csv',
        sizeBytes: 12,
        offsetBytes: 12,
        checksums: { md5: 'm', sha1: 's', sha256: 'h' },
        retrievalUrl: 'https://staging.example.org/r/t/lake.csv',
        expiresAt: new Date('2026-12-20T10:00:00Z'),
        expiresInSeconds: 2_505_600,
        warnings: ['Empty.', 'Looks like HTML.'],
        error: null,
      },
    ])
  })

  test('calls a file of a folder by its path, and one without a name "Unnamed file"', () => {
    const { reports } = readReportPage({
      items: [
        { ...ANSWERED, relative_path: 'plots/lake.csv' },
        { id: 'b', state: 'receiving' },
      ],
      next_cursor: null,
    })
    expect(reports.map(({ title }) => title)).toEqual(['plots/lake.csv', 'Unnamed file'])
    expect(reports[1]).toMatchObject({ sizeBytes: null, offsetBytes: 0, retrievalUrl: null, warnings: [] })
  })

  test.each([[null], [[]], [{}], [{ items: [{}] }], [{ items: [{ id: 'a', state: 'dancing' }] }]])(
    'refuses %j',
    (answer) => {
      expect(() => readReportPage(answer)).toThrow(TypeError)
    },
  )
})

describe('what the list concludes', () => {
  const [ready] = readReportPage({ items: [ANSWERED], next_cursor: null }).reports as [Report]
  const receiving = (offsetBytes: number): Report => ({ ...ready, state: 'receiving', offsetBytes })

  test('something moves when bytes arrived since the last answer, or a file is being finished', () => {
    expect(isMoving([receiving(4)], [receiving(5)])).toBe(true)
    expect(isMoving([], [{ ...ready, state: 'finalizing' }])).toBe(true)
  })

  test('nothing moves for files that are done or left unfinished', () => {
    expect(isMoving([receiving(5)], [receiving(5)])).toBe(false)
    expect(isMoving([], [receiving(5)])).toBe(false)
    expect(isMoving([ready], [ready])).toBe(false)
  })

  test('while this tab sends, its own progress counts when it is ahead; paused, only what the server has', () => {
    const sent = (sentBytes: number) => ({ presence: 'sending', sentBytes }) as const
    expect(asSeenHere(receiving(4), sent(9)).offsetBytes).toBe(9)
    expect(asSeenHere(receiving(4), sent(3)).offsetBytes).toBe(4)
    expect(asSeenHere(receiving(4), { presence: 'paused', sentBytes: 9 }).offsetBytes).toBe(4)
    expect(asSeenHere(ready, sent(99))).toBe(ready)
  })

  test('what the owner took away is not shown, what failed is', () => {
    expect(isShown({ ...ready, state: 'deleted' })).toBe(false)
    expect(isShown({ ...ready, state: 'canceled' })).toBe(false)
    expect(isShown({ ...ready, state: 'failed' })).toBe(true)
  })

  test.each(['https://a.example/uploads/u7', '/staging/uploads/u7/', 'https://a.example/uploads/u7?x=1#y'])(
    'the upload of %s is u7',
    (url) => {
      expect(uploadIdOf(url)).toBe('u7')
    },
  )
})
