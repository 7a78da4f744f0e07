// The rules of a package, and its report.

import { describe, expect, test } from '@jest/globals'
import { type AppError, isAppError } from '../../server/errors.js'
import {
  assertExtension,
  assertPackageAlive,
  type Blocker,
  notReadyError,
  packageReport,
  packageSummary,
} from '../../server/packages/package.js'
import { NEVER } from '../../server/packages/retention.js'
import { aPackage } from './a-package.js'

const DAY_SECONDS = 86_400

const contents = { ready: 3, failed: 1, unfinished: 2, sizeBytes: 12 }

function refusalOf(act: () => void): AppError | null {
  try {
    act()
    return null
  } catch (error) {
    if (isAppError(error)) return error
    throw error
  }
}

describe('the report', () => {
  test('has the exact members, times in UTC and a total that adds up', () => {
    const extension = {
      at: new Date('2026-01-02T00:00:00Z'),
      by: 'somebody',
      reason: 'review takes longer',
      oldExpiresAt: new Date('2026-01-20T00:00:00Z'),
      newExpiresAt: new Date('2026-01-31T00:00:00Z'),
    }
    expect(packageReport(aPackage({ metadata: { a: [1] } }), contents, [extension], 'https://x.org')).toEqual(
      {
        id: 'b'.repeat(40),
        owner: aPackage().owner,
        state: 'open',
        name: 'Lake survey',
        label: 'lake',
        producer: null,
        subject: null,
        retention_class: 'staging',
        metadata: { a: [1] },
        created_at: '2026-01-01T00:00:00.000Z',
        finalized_at: null,
        expires_at: '2026-01-31T00:00:00.000Z',
        expires_in: 1000,
        manifest_sha256: null,
        manifest_url: null,
        eml_url: `https://x.org/packages/${'b'.repeat(40)}/eml`,
        counts: { total: 6, ready: 3, failed: 1, unfinished: 2, bytes: 12 },
        retention: {
          class: 'staging',
          extensions: [
            {
              at: '2026-01-02T00:00:00.000Z',
              by: 'somebody',
              reason: 'review takes longer',
              old_expires_at: '2026-01-20T00:00:00.000Z',
              new_expires_at: '2026-01-31T00:00:00.000Z',
            },
          ],
        },
      },
    )
  })

  test('of a finalized one names its manifest; what never ends has no end', () => {
    const found = aPackage({
      state: 'finalized',
      finalizedAt: new Date('2026-01-03T00:00:00Z'),
      endsAt: NEVER,
    })
    expect(packageSummary(found, contents, 'https://x.org')).toMatchObject({
      finalized_at: '2026-01-03T00:00:00.000Z',
      expires_at: null,
      expires_in: null,
      manifest_url: `https://x.org/packages/${found.id}/manifest`,
    })
  })

  test.each(['expired', 'deleted'] as const)('of an %s one has no URL and no time left', (state) => {
    const found = aPackage({ state, endsInSeconds: 5 })
    expect(packageSummary(found, contents, 'https://x.org')).toMatchObject({
      expires_in: 0,
      manifest_url: null,
      eml_url: null,
    })
  })
})

test.each([
  ['open', null],
  ['finalized', null],
  ['expired', 'GONE'],
  ['deleted', 'GONE'],
] as const)('what is %s is refused with %s', (state, code) => {
  expect(refusalOf(() => assertPackageAlive(aPackage({ state })))?.code ?? null).toBe(code)
})

describe('why a package can’t be finalized', () => {
  const blocker = (path: string): Blocker => ({ id: 'a', path, state: 'receiving' })

  test('names the first three, counts the rest, and says what to do', () => {
    const error = notReadyError(['a.csv', 'b.csv', 'c.csv', 'd.csv'].map(blocker), 250)
    expect(error.code).toBe('CONFLICT')
    expect(error.detail).toMatch(
      /^250 files are not ready: a\.csv \(receiving\), .*c\.csv \(receiving\) and 247 more\. /,
    )
    expect(error.details).toMatchObject({ not_ready_count: 250, not_ready: [{ path: 'a.csv' }, {}, {}, {}] })
  })

  test('is told of a single one in the singular', () => {
    expect(notReadyError([blocker('a.csv')], 1).detail).toMatch(
      /^1 file is not ready: a\.csv \(receiving\)\. /,
    )
  })
})

describe('another end', () => {
  // It ends on the 31st; with 60 days at most, 2 March is the latest.
  test.each([
    ['the very end it has', '2026-01-31T00:00:00.000Z', 'INVALID_INPUT'],
    ['an earlier one', '2026-01-30T23:59:59.999Z', 'INVALID_INPUT'],
    ['a millisecond later', '2026-01-31T00:00:00.001Z', null],
    ['the latest there is', '2026-03-02T00:00:00.000Z', null],
    ['a millisecond past that', '2026-03-02T00:00:00.001Z', 'INVALID_INPUT'],
    ['the year 0', '0000-01-01T00:00:00Z', 'INVALID_INPUT'],
    ['a year that Postgres can’t hold', '9999-12-31T23:59:59-14:00', 'INVALID_INPUT'],
  ] as const)('%s: %s', (_name, at, code) => {
    const refusal = refusalOf(() => assertExtension(aPackage(), new Date(at), 60 * DAY_SECONDS))
    expect(refusal?.code ?? null).toBe(code)
    if (refusal !== null) {
      expect(refusal.detail).toMatch(/2026-01-31T00:00:00\.000Z.*2026-03-02T00:00:00\.000Z.*MAX_TTL/)
      expect(refusal.details).toEqual({
        expires_at: '2026-01-31T00:00:00.000Z',
        latest_expires_at: '2026-03-02T00:00:00.000Z',
      })
    }
  })

  test('there is none for what never ends, nor past the longest life', () => {
    const at = new Date('2027-01-01T00:00:00Z')
    const never = refusalOf(() => assertExtension(aPackage({ endsAt: NEVER }), at, 60 * DAY_SECONDS))
    expect(never).toMatchObject({ code: 'CONFLICT', detail: expect.stringMatching(/for ever/) })
    const longest = refusalOf(() => assertExtension(aPackage(), at, 30 * DAY_SECONDS))
    expect(longest).toMatchObject({ code: 'CONFLICT', detail: expect.stringMatching(/MAX_TTL/) })
  })
})
