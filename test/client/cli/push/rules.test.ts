// The pure rules of a push, each by a table.

import { describe, expect, test } from '@jest/globals'
import {
  ConnectionFailed,
  ContentRefused,
  DigestMismatch,
  Internal,
  LocalFileDiffers,
  LocalFileFailed,
  PackageFinalized,
  QuotaExceeded,
  Unauthorized,
} from '../../../../client/api/errors.js'
import { readTrouble } from '../../../../client/cli/file-trouble.js'
import type { JournalEntry } from '../../../../client/cli/push/journal-records.js'
import { mediaTypeOf } from '../../../../client/cli/push/media-type.js'
import { nameFilter } from '../../../../client/cli/push/name-filter.js'
import { fileKey, idempotencyKey, journalName } from '../../../../client/cli/push/names.js'
import { pathFault } from '../../../../client/cli/push/path-rule.js'
import { planOf } from '../../../../client/cli/push/plan.js'
import { Queue } from '../../../../client/cli/push/queue.js'
import { sizeOption } from '../../../../client/cli/push/size-option.js'
import { summaryLines } from '../../../../client/cli/push/summary.js'
import { PushTally } from '../../../../client/cli/push/tally.js'
import { endsPush, isNoRoom, outcomeOf } from '../../../../client/cli/push/verdict.js'
import { relativePath } from '../../../../server/uploads/relative-path.js'
import fc from '../../../support/properties.js'

const OPTIONS = { status: 400 }

describe('the path rule', () => {
  test.each([
    ['data/lake.csv', null],
    ['é/ü.csv', null],
    ['a b/.hidden', null],
    ['a\nb', 'its name has a control character or a line break; rename it'],
    ['a\\b', 'its name has a backslash; rename it'],
    ['a/ /b', 'its name is only dots or spaces; rename it'],
    ['a\ufffdb', 'its name is not valid UTF-8; rename it'],
    ['a\ud800', 'its name is not valid UTF-8; rename it'],
  ])('says of %j: %j', (path, fault) => {
    expect(pathFault(path)).toBe(fault)
  })

  test('counts bytes in NFC', () => {
    expect(pathFault(`${'e\u0301'.repeat(512)}`)).toBeNull()
    expect(pathFault('é'.repeat(513))).toBe(
      'its path has 1026 bytes, and the server takes 1024; push from a folder further down',
    )
  })

  test('refuses whatever the server would', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', '.', ' ', '/', '\\', '\n', '\u0085', 'é', '\ud83d', '\0'),
    })
    fc.assert(
      fc.property(text, (path) => {
        if (pathFault(path) === null) expect(() => relativePath(path, 'it')).not.toThrow()
      }),
    )
  })
})

describe('names of files in the journal', () => {
  const key = fileKey({ label: 'a', packageId: null }, '/data/x', 'x')

  test('are others for another label, package, file or path', () => {
    const others = [
      fileKey({ label: 'b', packageId: null }, '/data/x', 'x'),
      fileKey({ label: null, packageId: 'a' }, '/data/x', 'x'),
      fileKey({ label: 'a', packageId: null }, '/data/y', 'x'),
      fileKey({ label: 'a', packageId: null }, '/data/x', 'data/x'),
    ]
    expect(new Set([key, ...others]).size).toBe(5)
    expect(key).toMatch(/^[\w-]{22}$/)
  })

  test('give another idempotency key for another version, generation or computer, and the same one otherwise', () => {
    const keys = [
      idempotencyKey('salt', key, '1-2-3', 0),
      idempotencyKey('salt', key, '1-2-4', 0),
      idempotencyKey('salt', key, '1-2-3', 1),
      idempotencyKey('other', key, '1-2-3', 0),
    ]
    expect(new Set(keys).size).toBe(4)
    expect(idempotencyKey('salt', key, '1-2-3', 0)).toBe(keys[0])
    for (const one of keys) expect(one).toMatch(/^push-[\w-]{22}$/)
  })

  test('of a journal tell its endpoint apart, and fit every file system', () => {
    expect(journalName('https://a.example/uploads')).toMatch(/^[\w-]{22}\.jsonl$/)
    expect(journalName('https://a.example/uploads')).not.toBe(journalName('https://b.example/uploads'))
  })
})

describe('the plan for a file', () => {
  const prefix = { bytes: 5, sha256: 'aa' }
  const entry = (changes: Partial<JournalEntry>): JournalEntry => ({
    version: 'v1',
    generation: 2,
    state: 'began',
    url: 'https://s/uploads/1',
    partUrls: null,
    prefix: null,
    sha256: null,
    expiresAt: null,
    ...changes,
  })

  test.each([
    ['nothing', undefined, { act: 'begin', generation: 0, cancelUrls: [], changedSince: null }],
    [
      'it was begun',
      entry({ prefix }),
      { act: 'resume', begun: { generation: 2, url: 'https://s/uploads/1', partUrls: null, prefix } },
    ],
    [
      'it was begun and changed',
      entry({ version: 'v0', partUrls: ['p', null] }),
      { act: 'begin', generation: 2, cancelUrls: ['https://s/uploads/1', 'p'], changedSince: 'begun' },
    ],
    [
      'it was sent',
      entry({ state: 'done', sha256: 'bb' }),
      { act: 'ask', url: 'https://s/uploads/1', sha256: 'bb', generation: 2 },
    ],
    [
      'it was sent and changed',
      entry({ state: 'done', version: 'v0' }),
      { act: 'begin', generation: 2, cancelUrls: [], changedSince: 'sent' },
    ],
    [
      'its upload has ended',
      entry({ state: 'ended', url: null }),
      { act: 'begin', generation: 2, cancelUrls: [], changedSince: null },
    ],
  ])('when the journal knows: %s', (_, known, plan) => {
    expect(planOf(known, 'v1')).toEqual(plan)
  })
})

describe('--include and --exclude', () => {
  test.each<[string[], string[], string, boolean]>([
    [[], [], 'data/a/x.csv', true],
    [['*.csv'], [], 'data/a/x.csv', true],
    [['*.csv'], [], 'data/a/x.txt', false],
    [['a/*.csv'], [], 'data/a/x.csv', true],
    [['data/a/*.csv'], [], 'data/a/x.csv', true],
    [['b/**'], [], 'data/a/x.csv', false],
    [[], ['*.csv'], 'data/a/x.csv', false],
    [['*.csv'], ['x.*'], 'data/a/x.csv', false],
    [[], ['.*'], 'data/.DS_Store', false],
    [['**/*.{csv,tsv}'], [], 'data/a/x.tsv', true],
  ])('include %j, exclude %j: %s is sent: %s', (include, exclude, path, isTaken) => {
    expect(nameFilter(include, exclude).takesFile(path, path.replace(/^data\//, ''))).toBe(isTaken)
  })

  test('a folder that is excluded, with or without a slash at its end, is not looked into', () => {
    for (const glob of ['.git', '.git/', 'data/.git/']) {
      expect(nameFilter([], [glob]).entersFolder('data/.git', '.git')).toBe(false)
      expect(nameFilter([], [glob]).entersFolder('data/a', 'a')).toBe(true)
    }
    expect(nameFilter(['*.csv'], []).entersFolder('data/a', 'a')).toBe(true)
  })
})

test.each([
  ['8MiB', 8 * 1024 ** 2],
  ['8m', 8 * 1024 ** 2],
  ['512 KB', 512 * 1024],
  ['1G', 1024 ** 3],
  ['100', 100],
  ['100B', 100],
])('the size %s is %d bytes', (text, bytes) => {
  expect(sizeOption(text)).toBe(bytes)
})

test.each(['0', '-1', '8x', '', 'MiB', '1.5M', '999999999999G'])('%j is no size', (text) => {
  expect(() => sizeOption(text)).toThrow('A size is written like 8MiB')
})

test.each([
  ['lake.csv', 'text/csv'],
  ['LAKE.CSV', 'text/csv'],
  ['a.tar.gz', 'application/gzip'],
  ['.csv', null],
  ['csv', null],
  ['a.constructor', null],
])('%s is %s', (name, type) => {
  expect(mediaTypeOf(name)).toBe(type)
})

describe('what an error means', () => {
  test.each([
    [new Unauthorized('UNAUTHORIZED', 'x', OPTIONS), true],
    [new PackageFinalized('PACKAGE_FINALIZED', 'x', OPTIONS), true],
    [new ConnectionFailed('x', { code: null }), true],
    [new ContentRefused('CONTENT_REFUSED', 'x', OPTIONS), false],
    [new QuotaExceeded('QUOTA_EXCEEDED', 'x', OPTIONS), false],
    [new LocalFileDiffers('x'), false],
    [Object.assign(new Error('x'), { code: 'EIO', syscall: 'read' }), false],
  ])('%p ends the push: %s', (error, isOver) => {
    expect(endsPush(error)).toBe(isOver)
  })

  test('a file that finds no room leaves some for smaller ones', () => {
    expect(isNoRoom(new QuotaExceeded('QUOTA_EXCEEDED', 'x', OPTIONS))).toBe(true)
    expect(isNoRoom(new ContentRefused('CONTENT_REFUSED', 'x', OPTIONS))).toBe(false)
  })

  test.each([
    [
      new LocalFileDiffers('a/x.csv grew while it was being sent. Send it again.'),
      'failed',
      'it grew while it was being sent. Send it again',
    ],
    [new LocalFileFailed('a/x.csv …', { code: 'ENOENT' }), 'failed', 'it is not there (any more)'],
    [new DigestMismatch('Other bytes.'), 'mismatch', 'Other bytes; it was not kept, push it again'],
    [
      new Internal('INTERNAL', 'A fault.', { status: 500, requestId: 'r1' }),
      'failed',
      'A fault (request r1)',
    ],
  ])('%p is told as %s: %s', (error, state, reason) => {
    expect(outcomeOf(error, 'a/x.csv')).toEqual({ state, reason, error })
  })

  test.each([
    ['EACCES', 'you have no permission to read it'],
    ['EIO', 'the disk could not read it (I/O error); check the disk'],
    ['EWEIRD', 'it could not be read (EWEIRD)'],
  ])('%s: %s', (code, words) => {
    expect(readTrouble(Object.assign(new Error('x'), { code }))).toBe(words)
  })
})

describe('the end of a push', () => {
  const sent = {
    state: 'sent',
    url: 'https://s/uploads/1',
    sha256: 'aa',
    isVerified: true,
    expiresAt: null,
  } as const
  const kept = { state: 'kept', url: 'https://s/uploads/2', sha256: 'aa', expiresAt: null } as const
  const failed = { state: 'failed', reason: 'the disk burns', error: new Error('x') } as const
  const mismatch = { state: 'mismatch', reason: 'other bytes', error: new Error('x') } as const

  test.each([
    ['all sent', [sent, kept], 0],
    ['some failed', [sent, failed], 3],
    ['kept counts as done', [kept, failed], 3],
    ['all failed', [failed, failed], 1],
    ['other bytes', [sent, mismatch], 5],
    ['nothing to do', [], 0],
  ])('%s', (_, outcomes, exitCode) => {
    const tally = new PushTally()
    for (const outcome of outcomes) tally.count('x', 1, outcome)
    expect(tally.exitCode()).toBe(exitCode)
  })

  test('a name that can not be sent fails, something that is no file does not', () => {
    const tally = new PushTally()
    tally.countUnsendable({ kind: 'skipped', path: 'fifo', reason: 'it is a FIFO' })
    expect([tally.exitCode(), tally.skippedFiles]).toEqual([0, 1])
    tally.countUnsendable({ kind: 'refused', path: 'a\nb', reason: 'its name' })
    expect([tally.exitCode(), tally.failedFiles]).toEqual([1, 1])
  })

  test('tells of twenty failures again, and how many more there are', () => {
    const tally = new PushTally()
    tally.count('good', 2048, sent)
    tally.movedBytes = 2048
    for (let at = 1; at <= 1025; at += 1) tally.count(`bad\n${at}`, 1, failed)
    const lines = summaryLines({
      tally,
      seconds: 2,
      isUnfinished: false,
      isVerified: true,
      isQuiet: false,
      label: 'lakes',
      package: { id: 'p1', isFinalized: false },
      verified: null,
      underWay: { files: 2, keptBytes: 1024, sizeBytes: 4096 },
      again: 'antipasto push x',
    })
    expect(lines[0]).toBe('Sent and verified: 1 file, 2.0 KB in 2 s (1.0 KB/s).')
    expect(lines[1]).toBe('NOT sent: 1,025 files.')
    expect(lines.slice(2, 22)).toEqual(
      Array.from({ length: 20 }, (_, at) => `  bad\\n${at + 1}: the disk burns`),
    )
    expect(lines.slice(22)).toEqual([
      '  … and 1,005 more, told above',
      'Under way: 2 files, 1.0 KB of 4.0 KB are on the server.',
      'Package p1 (label lakes) is open. When it is complete, push once more with --finalize.',
      'To try again: antipasto push x',
    ])
  })

  test('that was stopped before any file was done claims nothing, and --quiet has told nothing', () => {
    const tally = new PushTally()
    tally.countUnsendable({ kind: 'skipped', path: 'fifo', reason: 'it is a FIFO' })
    const lines = summaryLines({
      tally,
      seconds: 12,
      isUnfinished: true,
      isVerified: true,
      isQuiet: true,
      label: null,
      package: null,
      verified: null,
      underWay: { files: 1, keptBytes: 1024, sizeBytes: 4096 },
      again: 'antipasto push x',
    })
    expect(lines).toEqual([
      'Passed over: 1, which --quiet does not tell.',
      'Under way: 1 file, 1.0 KB of 4.0 KB are on the server.',
      'Not finished. To go on: antipasto push x',
    ])
  })
})

describe('the queue', () => {
  test('gives everything once, in order, and holds the giver up when it is full', async () => {
    const queue = new Queue<number>(10)
    let given = 0
    const giving = (async () => {
      for (; given < 5000; given += 1) await queue.give(given)
      queue.close()
    })()
    await new Promise((resolve) => setImmediate(resolve))
    expect(given).toBeLessThanOrEqual(10)
    const taken: number[] = []
    await Promise.all(
      Array.from({ length: 3 }, async () => {
        for (let item = await queue.take(); item !== undefined; item = await queue.take()) taken.push(item)
      }),
    )
    await giving
    expect(taken).toEqual(Array.from({ length: 5000 }, (_, at) => at))
  })

  test('ends takers and givers when it is dropped', async () => {
    const queue = new Queue<number>(1)
    const giving = queue.give(1)
    queue.close({ isDropped: true })
    await giving
    expect(await queue.take()).toBeUndefined()
    expect(queue.length).toBe(0)
  })
})
