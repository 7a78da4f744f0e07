import { describe, expect, test } from '@jest/globals'
import { faultOfUrl, hostOf, shownOrigin } from '../../server/webhooks/target.js'

describe('faultOfUrl', () => {
  test.each([
    'https://example.org',
    'http://example.org:8080/hook?token=x%20y',
    'HTTPS://EXAMPLE.ORG/',
    'https://[2606:4700:4700::1111]:8443/a/b',
    'https://müller.example/',
  ])('%s may be a webhook', (url) => {
    expect(faultOfUrl(url)).toBeUndefined()
  })

  test.each([
    ['', 'begin with https'],
    ['example.org/hook', 'begin with https'],
    ['ftp://example.org', 'begin with https'],
    ['file:///etc/passwd', 'begin with https'],
    ['javascript:alert(1)', 'begin with https'],
    ['https:example.org', 'begin with https'],
    ['https://', 'not a URL'],
    ['https://example.org:99999/', 'not a URL'],
    ['https://1.2.3.4.5/', 'not a URL'],
    ['https://user@example.org/', 'user or password'],
    ['https://user:secret@example.org/', 'user or password'],
    ['https://:secret@example.org/', 'user or password'],
    ['https://example.org/#', 'fragment'],
    ['https://example.org/a#b', 'fragment'],
    ['https://example.org/a b', 'spaces'],
    [' https://example.org/', 'spaces'],
    ['https://example.org/\n', 'spaces'],
    ['https://exam\tple.org/', 'spaces'],
    ['https:\\\\example.org', 'backslashes'],
    ['https://example.org/\ud800', 'spaces'],
    ['https://example.org/\u0000', 'spaces'],
  ])('%j may not: %s', (url, fault) => {
    expect(faultOfUrl(url)).toContain(fault)
  })
})

test('A log shows neither path nor query', () => {
  expect(shownOrigin('https://hooks.example.org:8443/T0/secret?token=x')).toBe(
    'https://hooks.example.org:8443',
  )
})

test('Every spelling of an address is one, without brackets', () => {
  const hosts = ['0177.0.0.1', '0x7f.1', '2130706433', '127.1', '127.0.0.1.', '１２７.0.0.1'].map((host) =>
    hostOf(new URL(`http://${host}/`)),
  )
  expect(new Set(hosts)).toEqual(new Set(['127.0.0.1']))
  expect(hostOf(new URL('http://[0:0::1]/'))).toBe('::1')
})
