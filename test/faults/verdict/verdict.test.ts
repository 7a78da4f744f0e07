// Whether the verdict would notice each thing that it is there for.

import { describe, expect, test } from '@jest/globals'
import { digestsOfContent } from '../load/content.js'
import { planFile } from '../load/file-plan.js'
import type { Sent } from '../oracle.js'
import { judgeEvents, judgeReading } from './events.js'
import { judgeLog } from './logs.js'
import type { EventRow, UploadRow } from './records.js'
import { judgeUploads } from './uploads.js'

const plan = {
  ...planFile({ seed: 1, client: 0, nth: 0, mostBytes: 1_000 }),
  ...{ sizeBytes: 1_000, declares: 'right' as const },
}
const digests = digestsOfContent(plan.key, plan.sizeBytes)

const sent: Sent = {
  ...{ id: 'a1', place: 'cluster', plan, isPartial: false, acknowledgedBytes: 1_000, deletion: 'none' },
  ...{ isReadySeen: true, failure: null, isDone: true, retrievalPath: null },
}
const row: UploadRow = {
  ...{ id: 'a1', owner: 'me', state: 'ready', key: plan.key, finish: 'auto', concat: null, filename: null },
  ...{ sizeBytes: 1_000, offsetBytes: 1_000, multipartId: null, restoreState: null, packageId: null },
  ...{ retrievalToken: 't', ...digests, errorCode: null, errorDetail: null, isHeld: false },
}

function judged(rows: readonly UploadRow[], sents: readonly Sent[]): string[] {
  const kinds: string[] = []
  const planOf = (key: string) => (key === plan.key ? plan : undefined)
  judgeUploads(rows, { sent: sents, planOf }, (kind) => kinds.push(kind))
  return kinds
}

describe('The verdict on uploads', () => {
  test.each<[string, readonly UploadRow[], Partial<Sent>, string[]]>([
    ['is content with what was sent', [row], {}, []],
    ['misses one that was acknowledged', [], {}, ['upload lost']],
    ['sees one that was ready and is not', [{ ...row, state: 'failed' }], {}, ['acknowledged upload lost']],
    ['sees other digests', [{ ...row, md5: digests.sha1 }], {}, ['wrong digests']],
    ['sees a deletion that was not done', [row], { deletion: 'ended' }, ['deletion undone']],
    [
      'sees bytes that are kept for ever',
      [{ ...row, state: 'deleted', restoreState: 'ready' }],
      { deletion: 'restorable' },
      ['not purged'],
    ],
    [
      'sees a wrong file that was taken',
      [row],
      { plan: { ...plan, declares: 'wrong' } },
      ['wrong digests taken'],
    ],
    ['sees a lease that nobody holds', [{ ...row, isHeld: true }], {}, ['lease left']],
    ['sees a part that stayed', [{ ...row, concat: 'partial' }], { isPartial: true }, ['part left']],
    ['sees an upload that nobody sent', [row, { ...row, id: 'b2', key: 'x' }], {}, ['upload of nobody']],
    [
      'sees one that nobody heard of, and never ends',
      [row, { ...row, id: 'b2', state: 'receiving' }],
      {},
      ['never ended'],
    ],
  ])('%s', (_, rows, change, kinds) => {
    expect(judged(rows, [{ ...sent, ...change }])).toEqual(kinds)
  })
})

function told(state: string, ...types: string[]): string[] {
  const events = types.map(
    (type, i): EventRow => ({
      ...{ sequence: i + 1, type: `upload.${type}.v1`, owner: 'me', uploadId: 'a1' },
    }),
  )
  const kinds: string[] = []
  judgeEvents(events, [{ ...row, state }], (kind) => kinds.push(kind))
  return kinds
}

describe('The verdict on events', () => {
  test('knows the lives that an upload can have', () => {
    expect(told('ready', 'created', 'finalizing', 'ready')).toEqual([])
    expect(told('ready', 'created', 'canceled', 'restored', 'finalizing', 'ready')).toEqual([])
    expect(told('deleted', 'created', 'ready', 'deleted', 'restored', 'extended', 'deleted')).toEqual([])
    expect(told('failed', 'created', 'finalizing', 'failed')).toEqual([])
    expect(told('deleted', 'created', 'failed', 'deleted')).toEqual([])
    expect(told('expired', 'created', 'expired')).toEqual([])
  })

  test('knows those that it cannot', () => {
    expect(told('ready', 'created', 'finalizing', 'ready', 'ready')).toEqual(['events make no sense'])
    expect(told('ready', 'finalizing', 'created', 'ready')).toEqual(['events make no sense'])
    expect(told('ready')).toEqual(['events make no sense'])
    expect(told('ready', 'created', 'finalizing')).toEqual(['events and state differ'])
  })

  test('sees what a reader missed, and what never was', () => {
    const event = (sequence: number): EventRow => ({
      ...{ sequence, type: 'upload.created.v1', owner: 'me', uploadId: 'a1' },
    })
    const reading = {
      way: 'polls' as const,
      told: [1, 3, 4].map((sequence) => ({ sequence, type: 'upload.created.v1', upload_id: 'a1' })),
    }
    const kinds: string[] = []
    judgeReading([event(1), event(2), event(3)], 'me', reading, (kind) => kinds.push(kind))
    expect(kinds).toEqual(['event missed', 'event invented'])
  })
})

describe('The verdict on logs', () => {
  test.each([
    ['{"level":"fatal","msg":"a bug"}', 1],
    ['{"level":"error","code":"INTERNAL","msg":"request failed"}', 1],
    ['TypeError: undefined is not a function', 1],
    ['{"level":"warn","msg":"request refused"}', 0],
    ['(node:1) Warning: something', 0],
  ])('%s', (line, count) => {
    const kinds: string[] = []
    judgeLog('a', `${line}\n`, (kind) => kinds.push(kind))
    expect(kinds).toHaveLength(count)
  })
})
