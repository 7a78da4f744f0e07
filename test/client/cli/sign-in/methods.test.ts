import { describe, expect, test } from '@jest/globals'
import type { SignIn } from '../../../../client/api/types.js'
import { iamUrl, isToken } from '../../../../client/cli/sign-in/iam-url.js'
import { keyName } from '../../../../client/cli/sign-in/login.js'
import { chosenWay, type Provider, wayOf } from '../../../../client/cli/sign-in/methods.js'

const github: Provider = {
  type: 'redirect',
  provider: 'github',
  name: 'GitHub',
  url: 'https://a/sign-in/github',
}
const orcid: Provider = { type: 'redirect', provider: 'orcid', name: 'ORCID', url: 'https://a/sign-in/orcid' }
const key = { type: 'api_key', name: 'API key' } as const
const offering = (...methods: SignIn['methods']): SignIn => ({ methods })

describe('the way to sign in', () => {
  test('is the one that was named, or the only one', () => {
    const way = { kind: 'provider', provider: orcid }
    expect(wayOf(offering(github, orcid, key), { wanted: 'orcid', canAsk: false })).toEqual(way)
    expect(wayOf(offering(orcid, key), { wanted: undefined, canAsk: false })).toEqual(way)
  })

  test('is asked for where there are several, and somebody to ask', () => {
    const offered = offering(github, orcid, key)
    expect(wayOf(offered, { wanted: undefined, canAsk: true })).toEqual({
      kind: 'choice',
      providers: [github, orcid],
    })
    expect(() => wayOf(offered, { wanted: undefined, canAsk: false })).toThrow('no terminal')
  })

  test('is a key where there is nothing else', () => {
    expect(wayOf(offering(key), { wanted: undefined, canAsk: true })).toEqual({ kind: 'key' })
    expect(() => wayOf(offering(key), { wanted: undefined, canAsk: false })).toThrow('no terminal')
    expect(() => wayOf(offering(key), { wanted: 'github', canAsk: true })).toThrow(
      'Nobody signs in by github',
    )
  })

  test.each([
    ['1', 'github'],
    [' 2 ', 'orcid'],
    ['ORCID', 'orcid'],
    ['3', 'key'],
    ['key', 'key'],
    ['0', null],
    ['4', null],
    ['-1', null],
    ['', null],
  ])('%j chooses %j', (answer, name) => {
    const way = chosenWay(answer, [github, orcid])
    expect(way?.kind === 'provider' ? way.provider.provider : (way?.kind ?? null)).toBe(name)
  })
})

describe('the URL of the IAM', () => {
  const LOOPBACK = 'http://127.0.0.1:4711/secret'

  test('leads back to this computer', () => {
    const location =
      'https://auth.example.org/auth/login/github?target=https%3A%2F%2Fstaging.example.org%2F&x=1'
    const url = new URL(iamUrl(location, LOOPBACK) ?? '')
    expect(url.origin + url.pathname).toBe('https://auth.example.org/auth/login/github')
    expect(Object.fromEntries(url.searchParams)).toEqual({ target: LOOPBACK, x: '1' })
  })

  test.each([
    null,
    '',
    '/relative?target=x',
    'https://a/?other=x',
    'https://a/?target=x&target=y',
    'javascript:a?target=x',
  ])('is not %j', (location) => {
    expect(iamUrl(location, LOOPBACK)).toBeNull()
  })
})

test.each([
  ['a.b-c_d~e+f/g==', true],
  ['', false],
  ['a b', false],
  ['a\r\nX-Evil: 1', false],
  ['a'.repeat(12_001), false],
])('text number %# as a token', (text, isOne) => {
  expect(isToken(text)).toBe(isOne)
})

test('a key is named after the computer, in letters that any list shows', () => {
  expect(keyName('ada-laptop.local')).toBe('cli ada-laptop.local')
  expect(keyName(`\u202ex${'y'.repeat(200)}`)).toBe(`cli ?x${'y'.repeat(78)}`)
})
