// Who is signed in, until when, and how one may sign in: what the page reads of the server's answers.

import { describe, expect, test } from '@jest/globals'
import { nameIn, phaseOf, reaches, readAccount } from '../../../client/dashboard/sign-in/account.js'
import { readProviders } from '../../../client/dashboard/sign-in/sign-in-methods.js'

const NOW_MS = Date.parse('2026-11-21T10:00:00Z')
const MINUTE_MS = 60_000

describe('the account', () => {
  test("ends by the server's clock, however wrong this one is", () => {
    const answer = { owner: 'lter', expires_at: '2026-11-21T12:30:00Z' }
    const account = readAccount(answer, 'Sat, 21 Nov 2026 12:00:00 GMT', NOW_MS)
    expect(account).toEqual({ owner: 'lter', aliases: [], endsAtMs: NOW_MS + 30 * MINUTE_MS })
  })

  test('ends by this clock when the answer has none', () => {
    const answer = { owner: 'lter', expires_at: '2026-11-21T12:30:00Z' }
    expect(readAccount(answer, null, NOW_MS)?.endsAtMs).toBe(Date.parse('2026-11-21T12:30:00Z'))
  })

  test.each([[null], [undefined], ['never'], [12]])('with expires_at %p never ends', (expires_at) => {
    expect(readAccount({ owner: 'lter', expires_at }, null, NOW_MS)).toEqual({
      owner: 'lter',
      aliases: [],
      endsAtMs: null,
    })
  })

  test.each([[null], ['lter'], [[]], [{}], [{ owner: '' }], [{ owner: 7 }]])('is nobody in %j', (answer) => {
    expect(readAccount(answer, null, NOW_MS)).toBeNull()
  })

  test.each([
    [null, 'good'],
    [NOW_MS + 11 * MINUTE_MS, 'good'],
    [NOW_MS + 10 * MINUTE_MS, 'ending'],
    [NOW_MS, 'ending'],
    // The server takes it for a minute more.
    [NOW_MS - MINUTE_MS + 1, 'ending'],
    [NOW_MS - MINUTE_MS, 'ended'],
  ])('that ends at %p is %s', (endsAtMs, phase) => {
    expect(phaseOf({ endsAtMs }, NOW_MS)).toBe(phase)
  })
})

test('a person reaches what is under each of their names, and nothing else', () => {
  const account = readAccount({ owner: 'EDI-new', aliases: ['EDI-old', 7] }, null, NOW_MS)
  if (account === null) throw new Error('It is an account.')
  expect(['EDI-new', 'EDI-old', 'EDI-other', '7'].map((owner) => reaches(account, owner))).toEqual([
    true,
    true,
    false,
    false,
  ])
})

describe('the name', () => {
  const tokenOf = (payload: string | object) => {
    const text = typeof payload === 'string' ? payload : JSON.stringify(payload)
    return `e30.${Buffer.from(text).toString('base64url')}.c2ln`
  }

  test.each([
    ['of a token', tokenOf({ cn: 'Åsa Öberg' }), 'Åsa Öberg'],
    ['with letters beyond base64', tokenOf({ cn: '???>>>ÿÿ' }), '???>>>ÿÿ'],
    ['of a token without one', tokenOf({ sub: 'EDI-1' }), null],
    ['that is blank', tokenOf({ cn: ' ' }), null],
    ['that is no text', tokenOf({ cn: 7 }), null],
    ['in what is no object', tokenOf('null'), null],
    ['in what is no JSON', tokenOf('{'), null],
    ['in what is no base64', 'a.!!.c', null],
    ['of an API key', 'ap_0123456789', null],
  ])('%s', (_, credential, name) => {
    expect(nameIn(credential)).toBe(name)
  })
})

describe('the ways to sign in', () => {
  const github = {
    type: 'redirect',
    provider: 'github',
    name: 'GitHub',
    url: 'https://up.example/sign-in/github',
  }

  test('are those that lead to an IAM', () => {
    expect(readProviders({ methods: [github, { type: 'api_key', name: 'API key' }] })).toEqual([
      { name: 'GitHub', url: 'https://up.example/sign-in/github' },
    ])
  })

  test.each([
    [null],
    [{}],
    [{ methods: 'all' }],
    [{ methods: [null, 'x', { ...github, type: 'sms' }] }],
    [{ methods: [{ ...github, name: undefined }] }],
    [{ methods: [{ ...github, url: 'javascript:alert(1)' }] }],
    [{ methods: [{ ...github, url: 'https://' }] }],
  ])('are none in %j', (answer) => {
    expect(readProviders(answer)).toEqual([])
  })
})
