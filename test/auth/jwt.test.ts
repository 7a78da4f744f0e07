import {
  constants,
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { EDI_ID_PATTERN } from '../../server/auth/claims.js'
import { TOKEN_LEEWAY_SECONDS } from '../../server/auth/identity.js'
import { type JwtVerifier, looksLikeJwt, openJwtVerifier } from '../../server/auth/jwt.js'
import type { JwtKeys } from '../../server/auth/jwt-keys.js'
import { keysFitting, type VerificationKey } from '../../server/auth/verification-key.js'
import { AppError } from '../../server/errors.js'
import { createLog } from '../../server/ops/log.js'
import { ediClaims, ediId, es256, type Iam, signJws, startIam } from '../support/iam.js'

const ada = ediId('ada')
let iam: Iam
let nowMs: number
let logged: string
let asked: number
let outage: AppError | undefined
let keys: readonly VerificationKey[]
let verifier: JwtVerifier

beforeAll(async () => {
  iam = await startIam()
})
afterAll(() => iam.close())

beforeEach(() => {
  nowMs = Math.floor(Date.now() / 1000) * 1000
  logged = ''
  asked = 0
  outage = undefined
  keys = [{ kid: undefined, algorithms: ['ES256'], key: iam.publicKey }]
  verifier = verifierWith({})
})

function verifierWith({ audience }: { audience?: string }): JwtVerifier {
  const counted: JwtKeys = {
    async find(header) {
      asked += 1
      return { keys: keysFitting(keys, header), outage }
    },
  }
  return openJwtVerifier({
    keys: counted,
    issuer: 'https://auth.edirepository.org',
    audience,
    rules: {
      ownerPattern: EDI_ID_PATTERN,
      hostedDomain: 'edirepository.org',
      scopes: [{ principal: '*', scopes: ['read'] }],
    },
    log: createLog({ level: 'debug', destination: { write: (line) => (logged += line) } }),
    now: () => nowMs,
  })
}

const expired = {
  code: 'UNAUTHORIZED',
  details: { error: 'invalid_token', error_description: 'The token has expired' },
}

function claimsAt(times: Record<string, unknown>): Record<string, unknown> {
  return ediClaims({ sub: ada, claims: times })
}

/** By the double's key, with EDI's header. */
function signed(claims: object | string, header: object = {}): string {
  return signJws({ alg: 'ES256', typ: 'JWT', ...header }, claims, es256(iam.privateKey))
}

describe('A good token', () => {
  test("is its person's, until its end", async () => {
    const token = iam.issue({ sub: ada, principals: [ediId('lter')], links: [{ ediId: ediId('x') }] })
    const identity = await verifier.identify(token)
    expect(identity).toMatchObject({ owner: ada, aliases: [ediId('x')], groups: [ediId('lter')] })
    expect(identity?.expiresAt?.getTime()).toBeGreaterThan(nowMs + 7 * 3600_000)
  })

  test.each([undefined, 'JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/jwt', 'application/at+jwt'])(
    'may have the typ %s',
    async (typ) => {
      expect(await verifier.identify(iam.issue({ sub: ada, header: { typ } }))).toMatchObject({ owner: ada })
    },
  )

  test('may name a key when ours has no name', async () => {
    expect(await verifier.identify(iam.issue({ sub: ada, header: { kid: 'new' } }))).toMatchObject({
      owner: ada,
    })
  })

  test('of 15 kB is taken', async () => {
    const token = iam.issue({ sub: ada, claims: { cn: 'x'.repeat(11_000) } })
    expect(token.length).toBeGreaterThan(15_000)
    expect(await verifier.identify(token)).toMatchObject({ owner: ada })
  })

  test('is looked at once in a minute, not with every request', async () => {
    const token = iam.issue({ sub: ada })
    for (let count = 0; count < 5; count += 1) await verifier.identify(token)
    expect(asked).toBe(1)
    nowMs += 59_000
    await verifier.identify(token)
    expect(asked).toBe(1)
    nowMs += 1_000
    await verifier.identify(token)
    expect(asked).toBe(2)
  })

  test('that is believed ends all the same when it ends', async () => {
    const token = signed(claimsAt({ exp: nowMs / 1000 + 10 }))
    expect(await verifier.identify(token)).toBeDefined()
    nowMs += (10 + TOKEN_LEEWAY_SECONDS) * 1000
    await expect(verifier.identify(token)).rejects.toMatchObject(expired)
  })

  test('that has a second key to be tried is found', async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
    keys = [{ kid: undefined, algorithms: ['ES256'], key: other }, ...keys]
    expect(await verifier.identify(iam.issue({ sub: ada }))).toMatchObject({ owner: ada })
  })

  test('keeps what JSON.parse keeps of a claim that is there twice: who signed it meant it', async () => {
    const text = JSON.stringify(claimsAt({}))
    const twice = `${text.slice(0, -1)},"sub":"${ediId('other')}"}`
    expect(await verifier.identify(signed(twice))).toMatchObject({ owner: ediId('other') })
  })
})

describe('Times, with a leeway of 60 seconds', () => {
  test.each<[string, Record<string, number>, 'in' | 'expired' | 'out']>([
    ['exp is now', { exp: 0 }, 'in'],
    ['exp was 59 s ago', { exp: -59 }, 'in'],
    ['exp was 60 s ago', { exp: -60 }, 'expired'],
    ['exp was an hour ago', { exp: -3600 }, 'expired'],
    ['exp was in 1970', { exp: -1e10 }, 'expired'],
    ['nbf is in 60 s', { nbf: 60 }, 'in'],
    ['nbf is in 61 s', { nbf: 61 }, 'out'],
    ['nbf is after exp', { nbf: 30, exp: -30 }, 'in'],
    ['both are wrong', { nbf: 3600, exp: -3600 }, 'out'],
  ])('%s', async (_what, offsets, outcome) => {
    nowMs = 1_900_000_000_000
    const times = Object.fromEntries(
      Object.entries(offsets).map(([name, offset]) => [name, nowMs / 1000 + offset]),
    )
    const token = signed(claimsAt({ iat: undefined, nbf: undefined, exp: nowMs / 1000 + 600, ...times }))
    if (outcome === 'expired') await expect(verifier.identify(token)).rejects.toMatchObject(expired)
    else if (outcome === 'in') expect(await verifier.identify(token)).toMatchObject({ owner: ada })
    else expect(await verifier.identify(token)).toBeUndefined()
  })

  test.each<[string, Record<string, unknown>]>([
    ['no exp', { exp: undefined }],
    ['exp null', { exp: null }],
    ['exp as a text', { exp: '2000000000' }],
    ['exp without end', { exp: 1e300 }],
    ['nbf as a text', { nbf: '0' }],
    ['iat as a text', { iat: 'now' }],
  ])('%s is refused', async (_what, times) => {
    expect(await verifier.identify(signed(claimsAt(times)))).toBeUndefined()
  })

  test('That it has expired is told only of a token that was good in everything else', async () => {
    for (const wrong of [{ iss: 'https://evil.example' }, { hd: 'evil.example' }, { sub: 'root' }]) {
      expect(await verifier.identify(signed(claimsAt({ exp: 1, ...wrong })))).toBeUndefined()
    }
    const forged = signJws({ alg: 'ES256' }, claimsAt({ exp: 1 }), es256(otherKey))
    expect(await verifier.identify(forged)).toBeUndefined()
  })
})

const otherKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

describe('Claims that are for somebody else', () => {
  test.each<[string, Record<string, unknown>]>([
    ['iss of another', { iss: 'https://auth.evil.example' }],
    ['iss with a slash', { iss: 'https://auth.edirepository.org/' }],
    ['iss in upper case', { iss: 'HTTPS://AUTH.EDIREPOSITORY.ORG' }],
    ['no iss', { iss: undefined }],
    ['iss in a list', { iss: ['https://auth.edirepository.org'] }],
    ['hd of another', { hd: 'evil.example' }],
    ['no hd', { hd: undefined }],
    ['no sub', { sub: undefined }],
    ['sub of another shape', { sub: 'admin' }],
    ['sub with an injection', { sub: `${ada}' OR '1'='1` }],
  ])('%s', async (_what, claims) => {
    expect(await verifier.identify(iam.issue({ sub: ada, claims }))).toBeUndefined()
  })

  test.each<[unknown, boolean]>([
    ['antipasto', true],
    [['other', 'antipasto'], true],
    ['other', false],
    [['other'], false],
    [[], false],
    [undefined, false],
    [{ antipasto: true }, false],
    ['antipasto ', false],
  ])('aud %j, where antipasto is asked for: %s', async (aud, isTaken) => {
    const identity = await verifierWith({ audience: 'antipasto' }).identify(
      iam.issue({ sub: ada, claims: { aud } }),
    )
    expect(identity !== undefined).toBe(isTaken)
  })
})

describe('What is refused before any key is looked for', () => {
  const claims = ediClaims({ sub: ada })
  const pemSecret = (): string => String(iam.publicKey.export({ type: 'spki', format: 'pem' }))
  const hmac =
    (secret: string | Buffer) =>
    (input: Buffer): Buffer =>
      createHmac('sha256', secret).update(input).digest()
  const derOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' })

  test.each<[string, () => string]>([
    ['alg none', () => signJws({ alg: 'none' }, claims)],
    ['alg None', () => signJws({ alg: 'None' }, claims)],
    ['alg nOnE with a signature', () => signJws({ alg: 'nOnE' }, claims, es256(iam.privateKey))],
    ['alg none with no third part', () => signJws({ alg: 'none' }, claims).replace(/\.$/, '')],
    ['HS256 with our PEM as the secret', () => signJws({ alg: 'HS256' }, claims, hmac(pemSecret()))],
    [
      'HS256 with our PEM, trimmed, as the secret',
      () => signJws({ alg: 'HS256' }, claims, hmac(pemSecret().trim())),
    ],
    ['HS256 with our DER as the secret', () => signJws({ alg: 'HS256' }, claims, hmac(derOf(iam.publicKey)))],
    ['HS256 with an empty secret', () => signJws({ alg: 'HS256' }, claims, hmac(''))],
    ['no alg', () => signJws({ typ: 'JWT' }, claims, es256(iam.privateKey))],
    ['alg in a list', () => signed(claims, { alg: ['ES256'] })],
    ['alg of the prototype', () => signed(claims, { alg: '__proto__' })],
    ['alg with another ending', () => signed(claims, { alg: 'ES256\n' })],
    ['kid as an object', () => signed(claims, { kid: { $ne: '' } })],
    ['typ dpop+jwt', () => signed(claims, { typ: 'dpop+jwt' })],
    ['typ of another list', () => signed(claims, { typ: ['JWT'] })],
    ['typ empty', () => signed(claims, { typ: '' })],
    ['crit', () => signed(claims, { crit: ['exp'], exp: 1 })],
    ['crit b64', () => signed(claims, { crit: ['b64'], b64: false })],
    ['crit empty', () => signed(claims, { crit: [] })],
    ['b64 alone', () => signed(claims, { b64: true })],
    [
      'its own jwk',
      () =>
        signJws(
          { alg: 'ES256', jwk: createPublicKey(otherKey).export({ format: 'jwk' }) },
          claims,
          es256(otherKey),
        ),
    ],
    ['our jwk', () => signed(claims, { jwk: iam.publicKey.export({ format: 'jwk' }) })],
    ['jku', () => signed(claims, { jku: iam.jwksUrl })],
    ['x5u', () => signed(claims, { x5u: `${iam.url}/cert.pem` })],
    ['x5c', () => signed(claims, { x5c: ['MIIB'] })],
    ['enc, as of a JWE', () => signed(claims, { enc: 'A256GCM' })],
    ['zip', () => signed(claims, { zip: 'DEF' })],
    ['a JWE', () => `${signJws({ alg: 'RSA-OAEP', enc: 'A256GCM' }, claims)}.AAAA.AAAA.AAAA`],
    ['a JWE in three parts', () => signJws({ alg: 'dir', enc: 'A256GCM' }, claims, () => Buffer.from('x'))],
    ['two parts', () => signed(claims).split('.').slice(0, 2).join('.')],
    ['four parts', () => `${signed(claims)}.AAAA`],
    ['an empty signature', () => `${signed(claims).split('.').slice(0, 2).join('.')}.`],
    ['a line break', () => `${signed(claims)}\n`],
    ['base64 with + and /', () => signed(claims).replace(/^(eyJ.{4})./, '$1+')],
    ['padding', () => `${signed(claims)}==`],
    ['a header that is no JSON', () => `eyJ${signed(claims).slice(4)}`],
    [
      'a header that is a list',
      () => signed(claims).replace(/^[^.]*/, Buffer.from('["eyJ"]').toString('base64url')),
    ],
    ['nothing', () => ''],
    ['dots', () => '..'],
    ['16 KiB and more', () => iam.issue({ sub: ada, claims: { cn: 'x'.repeat(13_000) } })],
    ['100 kB of letters', () => `eyJ${'a'.repeat(50_000)}.${'a'.repeat(50_000)}.a`],
    ['100 kB of dots', () => `eyJ${'.'.repeat(100_000)}`],
  ])('%s', async (_what, token) => {
    const text = token()
    const before = process.cpuUsage()
    expect(await verifier.identify(text)).toBeUndefined()
    // In microseconds of this process, whatever else the machine does.
    expect(process.cpuUsage(before).user).toBeLessThan(250_000)
    expect(asked).toBe(0)
  })
})

describe('Signatures', () => {
  const claims = ediClaims({ sub: ada })
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })

  test.each<[string, () => string]>([
    ['of another key', () => signJws({ alg: 'ES256' }, claims, es256(otherKey))],
    [
      'over other claims',
      () => {
        const [header, , signature] = signed(claims).split('.')
        const [, body] = signed({ ...claims, sub: ediId('root') }).split('.')
        return `${header}.${body}.${signature}`
      },
    ],
    [
      'over another header',
      () => {
        const [, body, signature] = signed(claims).split('.')
        return `${signed(claims, { kid: 'x' }).split('.')[0]}.${body}.${signature}`
      },
    ],
    ['of zeros', () => signJws({ alg: 'ES256' }, claims, () => Buffer.alloc(64))],
    ['of one byte', () => signJws({ alg: 'ES256' }, claims, () => Buffer.from('x'))],
    ['in DER', () => signJws({ alg: 'ES256' }, claims, (input) => sign('sha256', input, iam.privateKey))],
    ['that is cut', () => signed(claims).slice(0, -8)],
    ['that goes on', () => `${signed(claims)}AAAA`],
    [
      'by RS256, for a key of P-256',
      () => signJws({ alg: 'RS256' }, claims, (input) => sign('sha256', input, rsa.privateKey)),
    ],
    [
      'by ES384, for a key of P-256',
      () =>
        signJws({ alg: 'ES384' }, claims, (input) =>
          sign('sha384', input, { key: p384.privateKey, dsaEncoding: 'ieee-p1363' }),
        ),
    ],
    [
      'by ES384 with the key of P-256',
      () =>
        signJws({ alg: 'ES384' }, claims, (input) =>
          sign('sha384', input, { key: iam.privateKey, dsaEncoding: 'ieee-p1363' }),
        ),
    ],
  ])('%s are refused', async (_what, token) => {
    expect(await verifier.identify(token())).toBeUndefined()
  })

  test('An RSA key for RS256 takes no PS256', async () => {
    keys = [{ kid: undefined, algorithms: ['RS256'], key: rsa.publicKey }]
    const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
    const rs256 = signJws({ alg: 'RS256' }, claims, (input) => sign('sha256', input, rsa.privateKey))
    const ps256 = signJws({ alg: 'PS256' }, claims, (input) =>
      sign('sha256', input, { key: rsa.privateKey, ...pss }),
    )
    expect(await verifier.identify(rs256)).toMatchObject({ owner: ada })
    expect(await verifier.identify(ps256)).toBeUndefined()
  })

  test.each(['EdDSA', 'Ed25519'])('%s is checked with a key of Ed25519', async (alg) => {
    const ed = generateKeyPairSync('ed25519')
    keys = [{ kid: undefined, algorithms: ['EdDSA', 'Ed25519'], key: ed.publicKey }]
    const token = signJws({ alg }, claims, (input) => sign(null, input, ed.privateKey))
    expect(await verifier.identify(token)).toMatchObject({ owner: ada })
  })

  test.each(['', 'null', '[]', '"text"', '7', '{', '{"sub":', '\u0000', '{"sub":"\ud800"'])(
    'of claims that are %j are refused',
    async (payload) => {
      expect(await verifier.identify(signed(payload))).toBeUndefined()
    },
  )
})

describe('While keys cannot be read', () => {
  const gone = new AppError('UNAVAILABLE', 'Try again.')

  test('who might be right gets that told', async () => {
    keys = []
    outage = gone
    await expect(verifier.identify(iam.issue({ sub: ada }))).rejects.toBe(gone)
  })

  test('a key that fits serves all the same', async () => {
    outage = gone
    expect(await verifier.identify(iam.issue({ sub: ada }))).toMatchObject({ owner: ada })
  })
})

describe('The log', () => {
  test('says why, and nothing of the token', async () => {
    const token = iam.issue({ sub: ada, claims: { iss: 'https://evil.example' } })
    await verifier.identify(token)
    expect(JSON.parse(logged)).toMatchObject({ level: 'debug', reason: 'iss', msg: 'token refused' })
    for (const part of [...token.split('.'), ada, 'evil.example']) expect(logged).not.toContain(part)
  })
})

test.each([
  ['eyJhbGciOiJFUzI1NiJ9.e30.AAAA', true],
  ['eyJhbGciOiJFUzI1NiJ9.e30.a.b.c', true],
  ['ap_01234567890123456789012345', false],
  ['eyJ-is-how-this-key-begins', false],
])('%s looks like a JWT: %s', (credential, isOne) => {
  expect(looksLikeJwt(credential)).toBe(isOne)
})
