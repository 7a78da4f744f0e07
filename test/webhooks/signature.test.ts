import { describe, expect, test } from '@jest/globals'
import { randomSecret } from '../../server/webhooks/random.js'
import { faultOfSecret, signatureOf } from '../../server/webhooks/signature.js'
import { isGenuine } from './verify.js'

describe('signatureOf', () => {
  test('It signs as the example of Standard Webhooks says', () => {
    const message = {
      id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      timestampSeconds: 1614265330,
      body: '{"test": 2432232314}',
    }
    const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
    expect(signatureOf(message, secret)).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
  })

  test.each([
    ['bytes in base64', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
    ['characters', 'a plain secret of some length'],
    ['one of ours', randomSecret()],
  ])(
    'What is signed with a secret (%s) is genuine with it and with nothing else, and only unchanged',
    (_, secret) => {
      const timestampSeconds = Math.floor(Date.now() / 1000)
      const body = '{"größe":1}'
      const headers = {
        'webhook-id': 'd1',
        'webhook-timestamp': String(timestampSeconds),
        'webhook-signature': signatureOf({ id: 'd1', timestampSeconds, body }, secret),
      }
      const received = { method: 'POST', path: '/', headers, body }
      expect(isGenuine(received, secret)).toBe(true)
      expect(isGenuine(received, randomSecret())).toBe(false)
      expect(isGenuine({ ...received, body: '{"größe":2}' }, secret)).toBe(false)
      expect(isGenuine({ ...received, headers: { ...headers, 'webhook-id': 'd2' } }, secret)).toBe(false)
    },
  )
})

describe('faultOfSecret', () => {
  test.each([
    'sixteen letters.',
    'x'.repeat(256),
    randomSecret(),
    `whsec_${Buffer.alloc(24).toString('base64')}`,
    `whsec_${Buffer.alloc(64).toString('base64')}`,
  ])('What is long enough may be a secret: case %#', (secret) => {
    expect(faultOfSecret(secret)).toBeUndefined()
  })

  test.each([
    ['', '16 to 256'],
    ['fifteen letters', '16 to 256'],
    ['x'.repeat(257), '16 to 256'],
    ['sixteen\nletters or more', 'ASCII'],
    ['größer als sechzehn Zeichen', 'ASCII'],
    [`whsec_${Buffer.alloc(23).toString('base64')}`, '24 to 64'],
    [`whsec_${Buffer.alloc(65).toString('base64')}`, '24 to 64'],
    [`whsec_${Buffer.alloc(32, 255).toString('base64url')}`, 'base64'],
    ['whsec_this is not base64 at all', 'base64'],
  ])('%j may not: %s', (secret, fault) => {
    expect(faultOfSecret(secret)).toContain(fault)
  })
})
