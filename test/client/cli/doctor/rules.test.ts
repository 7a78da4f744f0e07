import { describe, expect, test } from '@jest/globals'
import type { Me } from '../../../../client/api/types.js'
import { type Check, exitCodeOfChecks, fail, ok, warn } from '../../../../client/cli/doctor/check.js'
import { nodeCheck } from '../../../../client/cli/doctor/machine.js'
import { certificateCheck } from '../../../../client/cli/doctor/network.js'
import { proxyFor, withoutSecrets } from '../../../../client/cli/doctor/proxy.js'
import { clockCheck, credentialCheck, limitsCheck, tusVerdict } from '../../../../client/cli/doctor/server.js'

const NOW = new Date('2026-11-21T12:00:00Z')

const me = (changes: Partial<Me>): Me => ({
  owner: 'ada',
  aliases: [],
  groups: [],
  scopes: ['upload', 'read'],
  key_id: null,
  expires_at: null,
  usage: { bytes: 0, files: 0, open_uploads: 0 },
  limits: { bytes: null, files: null, open_uploads: null, file_bytes: 1024 ** 4, rate: null },
  ...changes,
})

describe('the exit code', () => {
  const rights: Check = { ...fail('credential', '', null), isAboutRights: true }

  test.each([
    [[ok('a', ''), warn('b', '', '')], 0],
    [[ok('a', ''), fail('b', '', null)], 1],
    [[rights], 4],
    [[rights, fail('b', '', null)], 1],
    [[], 0],
  ])('of %j is %i', (checks, exitCode) => {
    expect(exitCodeOfChecks(checks)).toBe(exitCode)
  })
})

describe('the proxy', () => {
  const https = new URL('https://staging.example.org/sub')
  const PROXY = 'http://proxy:3128'

  test.each([
    [https, { httpsProxy: PROXY }, PROXY],
    [https, { httpProxy: PROXY }, PROXY],
    [new URL('http://a/'), { httpsProxy: PROXY }, null],
    [https, {}, null],
    [https, { httpsProxy: PROXY, noProxy: '*' }, null],
    [https, { httpsProxy: PROXY, noProxy: 'other.org, .example.org' }, null],
    [https, { httpsProxy: PROXY, noProxy: 'example.org' }, null],
    [https, { httpsProxy: PROXY, noProxy: 'staging.example.org:443' }, null],
    [https, { httpsProxy: PROXY, noProxy: 'staging.example.org:8443' }, PROXY],
    [https, { httpsProxy: PROXY, noProxy: 'ample.org' }, PROXY],
  ])('for %s with %j is %j', (url, variables, proxy) => {
    expect(proxyFor(url, variables)).toBe(proxy)
  })

  test('is told without its password', () => {
    expect(withoutSecrets('http://ada:secret@proxy:3128')).toBe('http://proxy:3128/')
    expect(withoutSecrets('ada:secret@proxy:3128')).not.toContain('secret')
  })
})

test.each([
  ['v20.19.0', 'ok'],
  ['v20.18.3', 'fail'],
  ['v22.0.0', 'ok'],
  ['v18.20.0', 'fail'],
])('Node %s: %s', (version, state) => {
  expect(nodeCheck(version).state).toBe(state)
})

test.each([
  [0, 'ok'],
  [-59, 'ok'],
  [61, 'warn'],
  [-3600, 'warn'],
  [null, 'warn'],
])('a clock that is %j s ahead: %s', (seconds, state) => {
  expect(clockCheck(seconds).state).toBe(state)
})

test('says which way the clock is wrong', () => {
  expect(clockCheck(7200).detail).toContain('2 h ahead of')
  expect(clockCheck(-7200).detail).toContain('2 h behind')
})

test.each([
  ['2026-11-30T12:00:00Z', 'warn'],
  ['2027-02-01T12:00:00Z', 'ok'],
])('a certificate until %s: %s', (validTo, state) => {
  const issuer = { C: '', ST: '', L: '', O: 'Authority', OU: '', CN: '' }
  expect(certificateCheck({ valid_to: validTo, issuer }, 'TLSv1.3', NOW).state).toBe(state)
})

describe('the credential', () => {
  test.each([
    [{}, 'ok'],
    [{ expires_at: '2026-11-21T12:30:00Z' }, 'warn'],
    [{ expires_at: '2026-12-21T12:00:00Z' }, 'ok'],
    [{ scopes: ['read'] as Me['scopes'] }, 'fail'],
  ])('%j: %s', (changes, state) => {
    expect(credentialCheck(me(changes), NOW).state).toBe(state)
  })

  test.each([
    [0, 'ok'],
    [89, 'ok'],
    [90, 'warn'],
    [100, 'fail'],
  ])('with %i of 100 files used: %s', (files, state) => {
    const limits = { ...me({}).limits, files: 100 }
    expect(limitsCheck(me({ usage: { bytes: 0, files, open_uploads: 0 }, limits })).state).toBe(state)
  })
})

test.each([
  ['1.0.0', 'creation,creation-with-upload,expiration,termination,checksum,concatenation', 'ok'],
  ['1.0.0', 'creation,creation-with-upload,expiration,termination', 'warn'],
  ['1.0.0', 'creation', 'fail'],
  [null, null, 'fail'],
  ['0.2.2', 'creation', 'fail'],
])('tus %j with %j: %s', (version, extensions, state) => {
  const headers: Record<string, string | null> = { 'tus-version': version, 'tus-extension': extensions }
  expect(tusVerdict((name) => headers[name] ?? null).state).toBe(state)
})
