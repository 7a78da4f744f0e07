import { describe, expect, test } from '@jest/globals'
import { chooseEngine, threadEngine } from '../../server/digests/engine-choice.js'

describe('the choice of an engine', () => {
  // Every official build of Node.js for Linux, macOS and Windows has OpenSSL's functions, and so do Debian's.
  test("is OpenSSL's functions where they can be called", () => {
    expect(chooseEngine()).toEqual({ name: 'openssl' })
    expect(threadEngine().name).toBe('openssl')
  })
})
