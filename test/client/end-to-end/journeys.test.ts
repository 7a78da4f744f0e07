import { describe, expect, test } from '@jest/globals'
import { journeysOf, repeatedBytes } from './journeys.js'
import type { Exchange } from './traffic.js'

const ID = '/uploads/1'

function exchange(
  method: string,
  path: string,
  atMs: number,
  more: {
    bodyBytes?: number
    offset?: number
    name?: string
    answer?: { status: number; atMs?: number; offset?: number; location?: string }
  } = {},
): Exchange {
  const { bodyBytes = 0, offset, name, answer } = more
  const requestHeaders = new Map<string, string>()
  if (offset !== undefined) requestHeaders.set('upload-offset', String(offset))
  if (name !== undefined)
    requestHeaders.set(
      'upload-metadata',
      `filename eA==,relativePath ${Buffer.from(name).toString('base64')}`,
    )
  const answerHeaders = new Map<string, string>()
  if (answer?.offset !== undefined) answerHeaders.set('upload-offset', String(answer.offset))
  if (answer?.location !== undefined) answerHeaders.set('location', answer.location)
  return {
    method,
    path,
    requestHeaders,
    beganAtMs: atMs,
    bodyBytes,
    answer: answer
      ? { status: answer.status, headers: answerHeaders, atMs: answer.atMs ?? atMs + 0.5 }
      : null,
  }
}

const creation = exchange('POST', '/uploads', 1, {
  name: 'a/b.csv',
  answer: { status: 201, location: `http://x${ID}` },
})

describe('a journey', () => {
  test('joins creation and continuation, and tells what was acknowledged before each', () => {
    const [journey, ...others] = journeysOf([
      creation,
      exchange('PATCH', ID, 2, { bodyBytes: 100, offset: 0 }),
      exchange('HEAD', ID, 3, { answer: { status: 200, offset: 80 } }),
      exchange('PATCH', ID, 4, { bodyBytes: 120, offset: 80, answer: { status: 204, offset: 200 } }),
    ])
    expect(others).toEqual([])
    expect(journey?.relativePath).toBe('a/b.csv')
    expect([...(journey?.ids ?? [])]).toEqual(['1'])
    expect(
      journey?.spans.map(({ startBytes, acknowledgedBytes }) => [startBytes, acknowledgedBytes]),
    ).toEqual([
      [0, 0],
      [80, 80],
    ])
    expect(repeatedBytes(journey ?? { spans: [] })).toBe(20)
  })

  test('counts no acknowledgement that came after the next request had begun', () => {
    const [journey] = journeysOf([
      creation,
      exchange('PATCH', ID, 2, { bodyBytes: 100, offset: 0, answer: { status: 204, atMs: 9, offset: 100 } }),
      exchange('PATCH', ID, 4, { bodyBytes: 100, offset: 0 }),
    ])
    expect(journey?.spans.map(({ acknowledgedBytes }) => acknowledgedBytes)).toEqual([0, 0])
    expect(repeatedBytes(journey ?? { spans: [] })).toBe(100)
  })

  test('counts no refusal as an acknowledgement', () => {
    const [journey] = journeysOf([
      creation,
      exchange('PATCH', ID, 2, { bodyBytes: 7, offset: 90, answer: { status: 409, offset: 50 } }),
      exchange('PATCH', ID, 3, { bodyBytes: 7, offset: 0 }),
    ])
    expect(journey?.spans[1]?.acknowledgedBytes).toBe(0)
  })

  test('has two ids when a file began anew', () => {
    const again = exchange('POST', '/uploads', 5, {
      name: 'a/b.csv',
      answer: { status: 201, location: '/uploads/2' },
    })
    const [journey] = journeysOf([creation, again])
    expect([...(journey?.ids ?? [])]).toEqual(['1', '2'])
  })

  test('of an upload that nobody saw created is refused', () => {
    expect(() => journeysOf([exchange('PATCH', ID, 2, { bodyBytes: 1, offset: 0 })])).toThrow(
      'nobody created that',
    )
  })
})
