import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { beforeAll, describe, expect, test } from '@jest/globals'
import {
  keyOfJwk,
  keyOfPem,
  keysFitting,
  keysOfJwks,
  type VerificationKey,
} from '../../server/auth/verification-key.js'

interface Pair {
  publicKey: KeyObject
  privateKey: KeyObject
}

const ec = (namedCurve: string): Pair => generateKeyPairSync('ec', { namedCurve })
const rsa = (modulusLength: number): Pair => generateKeyPairSync('rsa', { modulusLength })

const pairs = {
  p256: ec('P-256'),
  p384: ec('P-384'),
  p521: ec('P-521'),
  secp256k1: ec('secp256k1'),
  ed25519: generateKeyPairSync('ed25519'),
  ed448: generateKeyPairSync('ed448'),
  x25519: generateKeyPairSync('x25519'),
  rsa: rsa(2048),
}
let shortRsa: Pair

beforeAll(() => {
  shortRsa = rsa(1024)
})

function pem({ publicKey }: Pair): string {
  return String(publicKey.export({ type: 'spki', format: 'pem' }))
}

function algorithmsOf(read: object): unknown {
  return 'algorithms' in read ? read.algorithms : read
}

describe('An algorithm is held to its key', () => {
  test.each<[keyof typeof pairs, string[] | undefined, string[]]>([
    ['p256', undefined, ['ES256']],
    ['p384', undefined, ['ES384']],
    ['p521', undefined, ['ES512']],
    ['ed25519', undefined, ['EdDSA', 'Ed25519']],
    ['ed25519', ['EdDSA'], ['EdDSA']],
    ['rsa', undefined, ['RS256']],
    ['rsa', ['PS256', 'RS512', 'ES256'], ['RS512', 'PS256']],
    ['p256', ['ES256', 'RS256'], ['ES256']],
  ])('%s with AUTH_ALGORITHMS %j: %j', (name, allowed, algorithms) => {
    expect(algorithmsOf(keyOfPem(pem(pairs[name]), allowed))).toEqual(algorithms)
    const jwk = pairs[name].publicKey.export({ format: 'jwk' })
    expect(algorithmsOf(keyOfJwk(jwk, allowed))).toEqual(algorithms)
  })

  test.each<[keyof typeof pairs, string, string[] | undefined, string[]]>([
    ['rsa', 'PS384', undefined, ['PS384']],
    ['rsa', 'RS256', ['RS256', 'PS256'], ['RS256']],
    ['p256', 'ES256', undefined, ['ES256']],
    ['ed25519', 'Ed25519', undefined, ['EdDSA', 'Ed25519']],
  ])('a JWK of %s with alg %s and AUTH_ALGORITHMS %j: %j', (name, alg, allowed, algorithms) => {
    const jwk = { ...pairs[name].publicKey.export({ format: 'jwk' }), alg }
    expect(algorithmsOf(keyOfJwk(jwk, allowed))).toEqual(algorithms)
  })

  test.each<[keyof typeof pairs, string[] | undefined]>([
    ['secp256k1', undefined],
    ['ed448', undefined],
    ['x25519', undefined],
    ['p256', ['RS256']],
    ['rsa', ['ES256']],
  ])('%s with AUTH_ALGORITHMS %j fits nothing', (name, allowed) => {
    expect(keyOfPem(pem(pairs[name]), allowed)).toMatchObject({
      fault: expect.stringMatching(/fits no algorithm|known/),
    })
    expect(keyOfJwk(pairs[name].publicKey.export({ format: 'jwk' }), allowed)).toHaveProperty('fault')
  })

  test.each([
    ['p256', 'ES384'],
    ['p256', 'HS256'],
    ['p256', 'none'],
    ['rsa', 'HS256'],
    ['rsa', 'RSA-OAEP'],
    ['rsa', 'ES256'],
  ] as const)("a JWK of %s with %s, which isn't its own, fits nothing", (name, alg) => {
    const jwk = { ...pairs[name].publicKey.export({ format: 'jwk' }), alg }
    expect(keyOfJwk(jwk, undefined)).toHaveProperty('fault')
  })

  test('An RSA key of 1024 bits is refused', () => {
    expect(keyOfPem(pem(shortRsa), undefined)).toMatchObject({ fault: expect.stringContaining('1024 bits') })
  })
})

describe('keyOfPem', () => {
  test('takes a certificate', () => {
    expect(algorithmsOf(keyOfPem(CERTIFICATE, undefined))).toEqual(['ES256'])
  })

  test('takes PKCS#1, and text around the key', () => {
    const pkcs1 = String(pairs.rsa.publicKey.export({ type: 'pkcs1', format: 'pem' }))
    expect(algorithmsOf(keyOfPem(pkcs1, undefined))).toEqual(['RS256'])
    expect(algorithmsOf(keyOfPem(`The key\r\n${pem(pairs.p256)}\r\n`, undefined))).toEqual(['ES256'])
  })

  test.each<[string, () => string, RegExp]>([
    ['PKCS#8', () => String(pairs.p256.privateKey.export({ type: 'pkcs8', format: 'pem' })), /private key/],
    ['SEC1', () => String(pairs.p256.privateKey.export({ type: 'sec1', format: 'pem' })), /private key/],
    ['PKCS#1', () => String(pairs.rsa.privateKey.export({ type: 'pkcs1', format: 'pem' })), /private key/],
    [
      'encrypted',
      () => {
        const encryption = { cipher: 'aes-256-cbc', passphrase: 'x' }
        return String(pairs.p256.privateKey.export({ type: 'pkcs8', format: 'pem', ...encryption }))
      },
      /private key/,
    ],
    [
      'both halves',
      () => pem(pairs.p256) + String(pairs.p256.privateKey.export({ type: 'pkcs8', format: 'pem' })),
      /private key/,
    ],
    ['two public keys', () => pem(pairs.p256) + pem(pairs.rsa), /more than one/],
    ['an empty file', () => '', /no public key/],
    ['a shared secret', () => 'c2VjcmV0LXNlY3JldC1zZWNyZXQ=', /no public key/],
    ['a cut one', () => pem(pairs.p256).replace(/\n.{20}/, '\n'), /broken/],
  ])('refuses %s', (_what, text, fault) => {
    expect(keyOfPem(text(), undefined)).toEqual({ fault: expect.stringMatching(fault) })
  })
})

describe('keyOfJwk', () => {
  const jwk = pairs.p256.publicKey.export({ format: 'jwk' })

  test('keeps its kid', () => {
    expect(keyOfJwk({ ...jwk, kid: 'one' }, undefined)).toMatchObject({ kid: 'one' })
    expect(keyOfJwk(jwk, undefined)).toMatchObject({ kid: undefined })
  })

  test.each<[string, unknown, RegExp]>([
    ['null', null, /not an object/],
    ['an array', [], /not an object/],
    ['nothing', {}, /broken|kind/],
    ['a shared secret', { kty: 'oct', k: 'c2VjcmV0' }, /shared secret/],
    ['a shared secret in disguise', { ...jwk, k: 'c2VjcmV0' }, /shared secret/],
    ['a private key', pairs.p256.privateKey.export({ format: 'jwk' }), /private key/],
    ['a number for kid', { ...jwk, kid: 1 }, /kid/],
    ['a list for alg', { ...jwk, alg: ['ES256'] }, /alg/],
    ['half a point', { ...jwk, y: undefined }, /broken/],
    ['a point that is off the curve', { ...jwk, y: jwk.x }, /broken/],
    ['another curve', { ...jwk, crv: 'P-384' }, /broken/],
  ])('refuses %s', (_what, wrong, fault) => {
    const read = keyOfJwk(wrong, undefined)
    expect(read).toEqual({ fault: expect.stringMatching(fault) })
  })

  test.each<[string, object]>([
    ['use enc', { use: 'enc' }],
    ['use of another kind', { use: 'tls' }],
    ['key_ops without verify', { key_ops: ['encrypt'] }],
    ['key_ops that is no list', { key_ops: 'verify' }],
  ])('%s is for something else', (_what, more) => {
    expect(keyOfJwk({ ...jwk, ...more }, undefined)).toMatchObject({ isForOther: true })
  })
})

describe('keysOfJwks', () => {
  const jwk = pairs.p256.publicKey.export({ format: 'jwk' })

  test.each(['', 'null', '[]', '{}', '{"keys":{}}', '{"keys":', JSON.stringify(jwk)])(
    '%s is no set',
    (text) => {
      expect(keysOfJwks(text, undefined)).toBeUndefined()
    },
  )

  test('More than 100 keys are no set', () => {
    expect(keysOfJwks(JSON.stringify({ keys: Array(101).fill(jwk) }), undefined)).toBeUndefined()
  })

  test('Those for other things are passed over, the wrong ones told', () => {
    const set = keysOfJwks(
      JSON.stringify({ keys: [{ ...jwk, use: 'enc' }, jwk, { kty: 'oct', k: 'c2VjcmV0' }] }),
      undefined,
    )
    expect(set?.keys).toHaveLength(1)
    expect(set?.faults).toEqual([expect.stringMatching(/^key 3: it is a shared secret/)])
  })
})

describe('keysFitting', () => {
  const key = pairs.p256.publicKey
  const one: VerificationKey = { kid: 'one', algorithms: ['ES256'], key }
  const two: VerificationKey = { kid: 'two', algorithms: ['ES256'], key }
  const nameless: VerificationKey = { kid: undefined, algorithms: ['ES256'], key }
  const other: VerificationKey = { kid: 'one', algorithms: ['RS256'], key: pairs.rsa.publicKey }

  test.each<[string, string | undefined, VerificationKey[]]>([
    ['ES256', 'one', [one, nameless]],
    ['ES256', 'three', [nameless]],
    ['ES256', undefined, [one, two, nameless]],
    ['RS256', 'one', [other]],
    ['RS256', 'two', []],
    ['HS256', 'one', []],
  ])('a token of %s with the kid %s', (alg, kid, fitting) => {
    expect(keysFitting([one, two, nameless, other], { alg, kid })).toEqual(fitting)
  })
})

/** Self-signed, of P-256; its private key is lost. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBiTCCAS+gAwIBAgIUDuI/4MUJWkEXoYePzIP2UkSsX44wCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOYW50aXBhc3RvLXRlc3QwIBcNMjYxMTIxMTAwODE5WhgPMjEy
NjEwMjgxMDA4MTlaMBkxFzAVBgNVBAMMDmFudGlwYXN0by10ZXN0MFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEoMYz7WeUMAzgrP8VWVkWDIhR/e2Ud0xROTFyduhO
ujlOuXkXnzgieduXL/+4HyVTod1vAd0sF6GnwRKTU6BaNaNTMFEwHQYDVR0OBBYE
FLQc1rw9UvbOOo3n8eIS7BjMYYc9MB8GA1UdIwQYMBaAFLQc1rw9UvbOOo3n8eIS
7BjMYYc9MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhAJZCoOlk
rW/GPCbPnCjFOiaOoIHo8sbJj2KqvjAxFBzyAiAQ+3ZyUP2ELvfgS2HF9ynXMdzF
WW4x78fQ5GVQ3kiuUA==
-----END CERTIFICATE-----`
