import { describe, expect, test } from '@jest/globals'
import { networkOf, proxyCheck } from '../../server/guards/address.js'

describe('who counts together', () => {
  test.each([
    ['192.0.2.7', '192.0.2.7'],
    ['192.0.2.7:50123', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::ffff:c000:207', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::', '2001:db8:1:2::/64'],
    ['[2001:db8:1:2::9]:443', '2001:db8:1:2::/64'],
    ['[2001:db8:1:2::9]', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80::/64'],
    ['::1', '::/64'],
  ])('%s is one of %s', (address, network) => {
    expect(networkOf(address)).toBe(network)
  })

  test.each([
    '',
    'unknown',
    '1.2.3',
    '0x7f.1',
    '127.1',
    '1.2.3.4, 5.6.7.8',
    '1.2.3.4:x',
    '_hidden',
    '[::1',
    '%',
    '300.1.1.1',
  ])('%j is no address', (text) => {
    expect(networkOf(text)).toBeUndefined()
    expect(networkOf(undefined)).toBeUndefined()
  })
})

describe('the proxies that are trusted', () => {
  test.each([
    ['10.1.2.3', true],
    ['::ffff:10.1.2.3', true],
    ['11.1.2.3', false],
    ['2001:db8::5', true],
    ['2001:db9::5', false],
    ['::1', true],
    ['::2', false],
    ['192.0.2.1', true],
    ['192.0.2.2', false],
    ['10.1.2', false],
    [undefined, false],
  ])('of a list: %s: %s', (address, isProxy) => {
    const check = proxyCheck(['10.0.0.0/8', '2001:db8::/32', '::1', '::ffff:192.0.2.1'])
    expect(check(address)).toBe(isProxy)
  })

  test('of a number: everybody who connects, or nobody', () => {
    expect([proxyCheck(0)('10.1.2.3'), proxyCheck(1)('10.1.2.3'), proxyCheck([])('10.1.2.3')]).toEqual([
      false,
      true,
      false,
    ])
  })
})
