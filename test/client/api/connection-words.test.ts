import { describe, expect, test } from '@jest/globals'
import { connectionFailed, connectionWords } from '../../../client/api/connection-words.js'

const url = new URL('https://staging.example.org:8443/a')

describe('the words for a broken connection', () => {
  test.each([
    ['ENOTFOUND', 'The name staging.example.org was not found.'],
    ['ECONNREFUSED', 'Nothing listens at staging.example.org:8443.'],
    ['CERT_HAS_EXPIRED', 'The TLS certificate of staging.example.org:8443 has expired.'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'NODE_EXTRA_CA_CERTS'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'is for another name'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'http instead of https'],
    ['UND_ERR_CONNECT_TIMEOUT', 'does not answer'],
    ['EWHATEVER', 'failed (EWHATEVER)'],
    [null, 'The connection to staging.example.org:8443 failed.'],
  ])('%s', (code, words) => {
    expect(connectionWords(code, url)).toContain(words)
  })

  test('find the code under causes, and under the first of several addresses', () => {
    const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
    const several = new AggregateError([refused], 'all failed')
    const thrown = new TypeError('fetch failed', { cause: several })
    expect(connectionFailed(thrown, url)).toMatchObject({ code: 'ECONNREFUSED', cause: thrown })
  })

  test('say the cause that has no code', () => {
    const thrown = new TypeError('fetch failed', { cause: new Error('bad port') })
    expect(connectionFailed(thrown, url).message).toBe(
      'The connection to staging.example.org:8443 failed: bad port.',
    )
  })

  test('do without a code, and end in a circle of causes', () => {
    const circle = new Error('round')
    circle.cause = circle
    expect(connectionFailed(circle, url).code).toBeNull()
    expect(connectionFailed('a text', url).code).toBeNull()
  })
})
