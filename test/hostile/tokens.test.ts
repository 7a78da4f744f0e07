// Credentials that are none: tokens that were never signed by whom they name, keys in the wrong place, two at once.
//
// The server trusts EDI's IAM (its double), with one ES256 key. What is refused is refused as unknown: 401, and fast.

import { createHash, createHmac, generateKeyPairSync, hash, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, expect } from '@jest/globals'
import { rowsOf } from '../dialects/tus-client.js'
import {
  ediClaims,
  ediId,
  es256,
  type Iam,
  type IamFault,
  type IssuedClaims,
  signJws,
  startIam,
} from '../support/iam.js'
import { anonymous, type Case, type Expected, type Ground, hostileGround, signed, TUS } from './harness.js'

const REVOKED = `ap_${'r'.repeat(27)}`
const EXPIRED = `ap_${'e'.repeat(27)}`

let iam: Iam
const { table } = hostileGround(async () => {
  iam = await startIam()
  return {
    env: { ...iam.env, AUTH_SCOPES: '*:read' },
    furnish: (server) =>
      rowsOf(
        server,
        `INSERT INTO api_keys (id, name, prefix, hash, owner, scopes, revoked_at, expires_at) VALUES
          (gen_random_uuid(), 'revoked', 'ap_rrrrr', $1, 'default', '{admin}', now(), NULL),
          (gen_random_uuid(), 'expired', 'ap_eeeee', $2, 'default', '{admin}', NULL, now())`,
        [hash('sha256', REVOKED), hash('sha256', EXPIRED)],
      ),
  }
})
afterAll(() => iam.close())

/** Unknown, whatever is wrong with it: who is signed out signs in again. */
const unknown: Expected = {
  status: 401,
  code: 'UNAUTHORIZED',
  withinMs: 1000,
  check: ({ headers }) =>
    expect(headers['www-authenticate']).toMatch(/^Bearer realm="antipasto", error="invalid_token"/),
}
const missing: Expected = {
  status: 401,
  code: 'UNAUTHORIZED',
  check: ({ headers }) => expect(headers['www-authenticate']).toBe('Bearer realm="antipasto"'),
}
const refused = { status: 400, code: 'INVALID_INPUT' } as const

const bearing = (token: string, line = 'GET /uploads') => anonymous(line, [`Authorization: Bearer ${token}`])

const token = (name: string, make: () => string, expected: Expected = unknown): Case => ({
  name,
  ...expected,
  send: () => bearing(make()),
})

/** A good token with something else about it. */
const issued = (name: string, claims: IssuedClaims, expected?: Expected) =>
  token(name, () => iam.issue(claims), expected)

const items = (count: number): Expected => ({
  status: 200,
  check: ({ body }) => expect(JSON.parse(body.toString()).items).toHaveLength(count),
})

table('what is good, so that the rest means something', [
  issued('a token', {}, items(0)),
  issued('a token that has ended half a minute ago', { expiresInSeconds: -30 }, items(0)),
  { name: 'a key of the IAM’s', ...items(0), send: () => bearing(iam.makeKey()) },
  issued(
    'a token with 10 kB of groups',
    { principals: Array.from({ length: 200 }, (_, i) => ediId(`${i}`)) },
    items(0),
  ),
])

const header = { alg: 'ES256', typ: 'JWT' }
const hmac =
  (secret: string | Buffer, digest = 'sha256') =>
  (input: Buffer) =>
    createHmac(digest, secret).update(input).digest()
const pem = () => readFileSync(iam.publicKeyFile)
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const theirs = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const theirJwk = theirs.publicKey.export({ format: 'jwk' })

table('algorithms', [
  ...['none', 'None', 'NONE', 'nOnE', 'none ', ''].map((alg) =>
    token(`alg ${JSON.stringify(alg)}`, () => signJws({ ...header, alg }, ediClaims())),
  ),
  token('no alg', () => signJws({ typ: 'JWT' }, ediClaims(), es256(iam.privateKey))),
  token('alg none with the signature of another token', () => {
    const [, , signature] = iam.issue().split('.')
    return `${signJws({ ...header, alg: 'none' }, ediClaims())}${signature}`
  }),
  token('HS256 with the public key as its secret', () =>
    signJws({ ...header, alg: 'HS256' }, ediClaims(), hmac(pem())),
  ),
  token('HS256 with the public key without its last newline', () =>
    signJws({ ...header, alg: 'HS256' }, ediClaims(), hmac(pem().toString().trim())),
  ),
  token('HS256 with the public key in DER', () =>
    signJws(
      { ...header, alg: 'HS256' },
      ediClaims(),
      hmac(iam.publicKey.export({ type: 'spki', format: 'der' })),
    ),
  ),
  token('HS512 with the public key', () =>
    signJws({ ...header, alg: 'HS512' }, ediClaims(), hmac(pem(), 'sha512')),
  ),
  token('HS256 with an empty secret', () => signJws({ ...header, alg: 'HS256' }, ediClaims(), hmac(''))),
  token('HS256 in the header, ES256 in truth', () =>
    signJws({ ...header, alg: 'HS256' }, ediClaims(), es256(iam.privateKey)),
  ),
  token('RS256 with a key of theirs', () =>
    signJws({ ...header, alg: 'RS256' }, ediClaims(), (input) => sign('sha256', input, rsa.privateKey)),
  ),
  ...['ES384', 'ES512', 'ES256K', 'EdDSA', 'PS256', 'RS256', 'es256', '__proto__'].map((alg) =>
    token(`${alg} in the header, ES256 in truth`, () =>
      signJws({ ...header, alg }, ediClaims(), es256(iam.privateKey)),
    ),
  ),
  token('an alg in a list', () => signJws({ ...header, alg: ['ES256'] }, ediClaims(), es256(iam.privateKey))),
])

table('signatures', [
  token('none', () => iam.issue().split('.').slice(0, 2).join('.')),
  token('empty', () => signJws(header, ediClaims())),
  token('of zeros: what Java once took for good', () => signJws(header, ediClaims(), () => Buffer.alloc(64))),
  token('of nothing but ones', () => signJws(header, ediClaims(), () => Buffer.alloc(64, 255))),
  token('of a key of theirs', () => signJws(header, ediClaims(), es256(theirs.privateKey))),
  token('in DER', () => signJws(header, ediClaims(), (input) => sign('sha256', input, iam.privateKey))),
  token('cut', () => iam.issue().slice(0, -8)),
  token('with something behind it', () => `${iam.issue()}AAAA`),
  token('of other claims', () => {
    const [head, , signature] = iam.issue().split('.')
    const payload = Buffer.from(JSON.stringify(ediClaims({ sub: ediId('root') }))).toString('base64url')
    return `${head}.${payload}.${signature}`
  }),
  token('of another header', () => {
    const [, payload, signature] = iam.issue().split('.')
    const head = Buffer.from(JSON.stringify({ ...header, kid: 'x' })).toString('base64url')
    return `${head}.${payload}.${signature}`
  }),
  token('with a part more', () => `${iam.issue()}.AAAA`),
  token('with a dot before it', () => `.${iam.issue()}`),
  token('in base64 with padding', () => `${iam.issue()}==`),
  token('in base64 of the other alphabet', () => {
    const parts = signJws(header, ediClaims(), () => Buffer.alloc(64, 251)).split('.')
    return `${parts[0]}.${parts[1]}.${parts[2]?.replaceAll('-', '+').replaceAll('_', '/')}`
  }),
])

const signedHeader = (name: string, more: object) =>
  token(name, () => signJws({ ...header, ...more }, ediClaims(), es256(theirs.privateKey)))

table('headers that would lead to a key of theirs', [
  signedHeader('jwk', { jwk: theirJwk }),
  signedHeader('jwk that names the pinned one', { jwk: { ...theirJwk, kid: 'x' }, kid: 'x' }),
  {
    ...signedHeader('jku', {}),
    send: () => bearing(signJws({ ...header, jku: iam.jwksUrl }, ediClaims(), es256(theirs.privateKey))),
    check: () => expect(iam.requests('/jwks.json')).toBe(0),
  },
  {
    ...signedHeader('x5u', {}),
    send: () => bearing(signJws({ ...header, x5u: `${iam.url}/x5u` }, ediClaims(), es256(theirs.privateKey))),
    check: () => expect(iam.requests('/x5u')).toBe(0),
  },
  signedHeader('x5c', { x5c: [theirs.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')] }),
  ...['../../../../dev/null', '/dev/null', "x' UNION SELECT 'a", '__proto__', '\0', 'a'.repeat(5000)].map(
    (kid) => signedHeader(`kid ${JSON.stringify(kid).slice(0, 24)}`, { kid }),
  ),
  signedHeader('a kid that is a number', { kid: 1 }),
])

table('headers that a good token hasn’t', [
  issued('crit that nobody knows', { header: { crit: ['evil'], evil: true } }),
  issued('crit that is empty', { header: { crit: [] } }),
  issued('b64 that is false', { header: { b64: false, crit: ['b64'] } }),
  issued('jwk, though the pinned key has signed', { header: { jwk: theirJwk } }),
  issued('jku, though the pinned key has signed', { header: { jku: 'https://evil.example/jwks.json' } }),
  issued('a typ of something else', { header: { typ: 'dpop+jwt' } }),
  issued('a typ of a logout', { header: { typ: 'logout+jwt' } }),
  token('no JSON', () => signJws('{"alg":"ES256"', ediClaims(), es256(iam.privateKey))),
  token('a list', () => signJws([header], ediClaims(), es256(iam.privateKey))),
  token('null', () => signJws('null', ediClaims(), es256(iam.privateKey))),
])

const wrongClaims: readonly [string, IssuedClaims][] = [
  ['an end two minutes ago', { expiresInSeconds: -120 }],
  ['an end a year ago', { expiresInSeconds: -31_536_000 }],
  ['no end', { claims: { exp: undefined } }],
  ['an end as text', { claims: { exp: '9999999999' } }],
  ['an end of null', { claims: { exp: null } }],
  ['an end before 1970', { claims: { exp: -1 } }],
  ['a beginning in five minutes', { claims: { nbf: Math.floor(Date.now() / 1000) + 300 } }],
  ['a beginning as text', { claims: { nbf: '0' } }],
  ['another issuer', { claims: { iss: 'https://evil.example' } }],
  ['an issuer with a slash behind it', { claims: { iss: 'https://auth.edirepository.org/' } }],
  ['issuers, the right one among them', { claims: { iss: ['https://auth.edirepository.org'] } }],
  ['no issuer', { claims: { iss: undefined } }],
  ['another hosted domain', { claims: { hd: 'evil.example' } }],
  ['no hosted domain', { claims: { hd: undefined } }],
  ['no subject', { claims: { sub: undefined } }],
  ['an empty subject', { sub: '' }],
  ['the subject of the configured keys', { sub: 'default' }],
  ['a subject in uppercase', { sub: ediId('ada').toUpperCase() }],
  ['a subject with something behind it', { sub: `${ediId('ada')}\n` }],
  ['a subject with a digit less', { sub: ediId('ada').slice(0, -1) }],
  ['a subject in a list', { claims: { sub: [ediId('ada')] } }],
  ['a subject in an object', { claims: { sub: { toString: ediId('ada') } } }],
  ['a subject of a wildcard', { sub: '%' }],
]

table('claims', [
  ...wrongClaims.map(([name, claims]) => issued(name, claims)),
  token('that are no JSON', () => signJws(header, '{"sub":', es256(iam.privateKey))),
  token('that are a list', () => signJws(header, '[]', es256(iam.privateKey))),
  token('that are null', () => signJws(header, 'null', es256(iam.privateKey))),
  token('that are empty', () => signJws(header, '', es256(iam.privateKey))),
  token('that are nested 5,000 deep', () => signJws(header, '['.repeat(5000), es256(iam.privateKey))),
])

const notAllowed: Expected = {
  status: 403,
  code: 'FORBIDDEN',
  check: ({ headers }) => expect(headers['www-authenticate']).toContain('error="insufficient_scope"'),
}

const wantsMore = (name: string, claims: IssuedClaims): Case => ({
  name,
  ...notAllowed,
  send: () =>
    anonymous('POST /uploads', [`Authorization: Bearer ${iam.issue(claims)}`, TUS, 'Upload-Length: 1']),
})

table('what a token says of its own rights', [
  wantsMore('nothing', {}),
  wantsMore('scope', { claims: { scope: 'upload admin' } }),
  wantsMore('scopes', { claims: { scopes: ['upload', 'admin'] } }),
  wantsMore('roles and groups', { claims: { roles: ['admin'], groups: ['admin'], admin: true } }),
  wantsMore('principals of that name', { principals: ['admin', '*', '__proto__'] }),
  issued('links to the owner of configured keys', { links: [{ ediId: 'default' }] }, items(0)),
  issued('principals of somebody else’s name', { principals: ['default', 'stranger'] }, items(0)),
  issued(
    'links and principals in odd forms',
    { claims: { links: [null, 1, { ediId: ['default'] }, 'default'], principals: { 0: 'default' } } },
    items(0),
  ),
])

table('sizes', [
  token('one character', () => 'x'),
  token('two dots', () => '..'),
  token(
    'a token of 15 kB that is none',
    () => `eyJ${'a'.repeat(7000)}.${'b'.repeat(7000)}.${'c'.repeat(900)}`,
  ),
  token('a token of 15 kB that they have signed', () =>
    signJws(header, ediClaims({ claims: { padding: 'x'.repeat(10_500) } }), es256(theirs.privateKey)),
  ),
  token('15 kB of dots', () => '.'.repeat(15_000)),
  { ...token('20 kB', () => 'a'.repeat(20_000)), mustClose: true },
  {
    ...token('100 kB', () => signJws(header, ediClaims({ claims: { padding: 'x'.repeat(75_000) } }))),
    mustClose: true,
  },
  { ...token('1 MB', () => `eyJ${'a'.repeat(1_000_000)}.b.c`), mustClose: true },
  token('a JWE', () =>
    ['{"alg":"dir","enc":"A256GCM"}', '', 'iv', 'ciphertext', 'tag']
      .map((part) => Buffer.from(part).toString('base64url'))
      .join('.'),
  ),
  token('a JWE that takes a million rounds', () => {
    const head = { alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', p2c: 1_000_000_000, p2s: 'c2FsdA' }
    return [JSON.stringify(head), 'key', 'iv', 'ciphertext', 'tag']
      .map((part) => Buffer.from(part).toString('base64url'))
      .join('.')
  }),
  issued('zip', { header: { zip: 'DEF', typ: 'JWE' } }),
])

const key = ({ credential }: Ground) => credential.split(' ').at(-1) ?? ''

const send = (
  name: string,
  expected: Expected,
  headers: (g: Ground) => string[],
  line = 'GET /uploads',
): Case => ({
  name,
  ...expected,
  send: (g) => anonymous(line, headers(g)),
})

table('places', [
  send('two: a key and a token', refused, (g) => [
    `Authorization: Bearer ${iam.issue()}`,
    `X-API-Key: ${key(g)}`,
  ]),
  send('two tokens in one header', refused, () => [`Authorization: Bearer ${iam.issue()} ${iam.issue()}`]),
  send('two tokens with a comma', unknown, () => [`Authorization: Bearer ${iam.issue()},${iam.issue()}`]),
  send('a token as an X-API-Key of two', unknown, (g) => [`X-API-Key: ${key(g)},${key(g)}`]),
  send('a list of keys', refused, (g) => [`X-API-Key: ${key(g)}, ${key(g)}`]),
  send('an empty X-API-Key', refused, () => ['X-API-Key:']),
  send('Bearer and nothing', refused, () => ['Authorization: Bearer']),
  send('Bearer with a colon', missing, (g) => [`Authorization: Bearer:${key(g)}`]),
  send('Basic', missing, (g) => [`Authorization: Basic ${Buffer.from(`x:${key(g)}`).toString('base64')}`]),
  send('Digest', missing, (g) => [`Authorization: Digest username="x", response="${key(g)}"`]),
  send('Negotiate', missing, () => ['Authorization: Negotiate TlRMTVNTUAAB']),
  send('a scheme that begins as Bearer does', missing, (g) => [`Authorization: Bearers ${key(g)}`]),
  send('a key alone', missing, (g) => [`Authorization: ${key(g)}`]),
  send('Proxy-Authorization', missing, (g) => [`Proxy-Authorization: Bearer ${key(g)}`]),
  send('a cookie', missing, () => [`Cookie: edi-token=${iam.issue()}; Authorization=Bearer`]),
  send('headers of other names', missing, (g) => [
    `X-Auth-Token: ${key(g)}`,
    `X-Forwarded-Authorization: Bearer ${key(g)}`,
    `X-Forwarded-User: default`,
    `X-Remote-User: default`,
    `Api-Key: ${key(g)}`,
    `X_API_Key: ${key(g)}`,
  ]),
  {
    name: 'the query: access_token',
    ...refused,
    send: (g) => anonymous(`GET /uploads?access_token=${key(g)}`),
  },
  {
    name: 'the query: edi_token',
    ...missing,
    send: () => anonymous(`GET /uploads?edi_token=${iam.issue()}`),
  },
  { name: 'the query: api_key', ...missing, send: () => anonymous('GET /uploads?api_key=x') },
  {
    name: 'the query, with a credential, too',
    ...refused,
    send: (g) => signed(g, `GET /uploads?access_token=${iam.issue()}`),
  },
  {
    name: 'a form',
    ...missing,
    send: (g) =>
      anonymous(
        'POST /uploads',
        ['Content-Type: application/x-www-form-urlencoded'],
        `access_token=${key(g)}`,
      ),
  },
])

const asKey = (name: string, text: (g: Ground) => string, expected: Expected = unknown): Case => ({
  name,
  ...expected,
  send: (g) => anonymous('GET /uploads', [`X-API-Key: ${text(g)}`]),
})

table('keys', [
  asKey('revoked', () => REVOKED),
  asKey('expired', () => EXPIRED),
  asKey('a prefix alone', (g) => key(g).slice(0, 8)),
  asKey('a character less', (g) => key(g).slice(0, -1)),
  asKey('a character more', (g) => `${key(g)}a`),
  asKey('in another case', (g) => key(g).toUpperCase()),
  asKey('its SHA-256', (g) => createHash('sha256').update(key(g)).digest('hex')),
  asKey('of bytes over 127', () => '\xff\xfe\xfd', {
    status: [400, 401],
    code: ['INVALID_INPUT', 'UNAUTHORIZED'],
  }),
  asKey('in fullwidth letters', () => '\xef\xbd\x81'.repeat(9), {
    status: [400, 401],
    code: ['INVALID_INPUT', 'UNAUTHORIZED'],
  }),
  asKey("SQL's quote", () => `'OR'1'='1`),
  asKey('__proto__', () => '__proto__'),
  asKey('15 kB', () => 'k'.repeat(15_000)),
  {
    ...asKey('one of ours that isn’t: never sent to the IAM', () => `ap_${'x'.repeat(24)}`),
    check: () => expect(iam.requests('/auth/v1/key')).toBe(1),
  },
  asKey('one that the IAM doesn’t know either', () => 'u'.repeat(27)),
])

let nth = 0
/** A key that nobody has asked the IAM for before, which fails in that way; it is well again afterwards. */
const exchanged = (fault: IamFault, expected: Expected): Case => ({
  name: `the IAM: ${fault}`,
  ...expected,
  withinMs: 8000,
  send: () => {
    nth += 1
    iam.fail(fault)
    return bearing(`${'f'.repeat(25)}${String(nth).padStart(2, '0')}`)
  },
  check: (answer, ground) => {
    iam.recover()
    return expected.check?.(answer, ground)
  },
})

const unavailable: Expected = {
  status: 503,
  code: 'UNAVAILABLE',
  check: ({ headers }) => expect(Number(headers['retry-after'])).toBeGreaterThan(0),
}

table('an IAM that fails while a key is exchanged', [
  exchanged('500', unavailable),
  exchanged('hang', unavailable),
  exchanged('garbage', unavailable),
  exchanged('huge', unavailable),
  exchanged('cut', unavailable),
  {
    ...exchanged('redirect', unavailable),
    // The key would go wherever it leads.
    check: ({ status }) => {
      iam.recover()
      expect([status, iam.requests('/moved/auth/v1/key')]).toEqual([503, 0])
    },
  },
])

/** To the IAM, which sends the token to us and to nobody else. */
const toIam: Expected = {
  status: 302,
  check: ({ headers }, { server }) => {
    const { origin, pathname, searchParams } = new URL(String(headers.location))
    expect([origin, pathname]).toEqual([iam.url, '/auth/login/github'])
    expect([...searchParams]).toEqual([['target', `${server.url.replace('127.0.0.1', 'localhost')}/`]])
    expect(headers['cache-control']).toBe('no-store')
  },
}

table('the way to the IAM', [
  ...['target', 'Target', 'target[]', 'redirect_uri', 'next', 'return_to', 'edi_token'].map(
    (name): Case => ({
      name: `${name} in the query is no matter`,
      ...toIam,
      send: () => anonymous(`GET /sign-in/github?${name}=https://evil.example/`),
    }),
  ),
  {
    name: 'hosts are no matter',
    ...toIam,
    send: () =>
      'GET /sign-in/github HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nReferer: https://evil.example/\r\n\r\n',
  },
  ...[
    '__proto__',
    'constructor',
    '..%2fkey',
    'github%2f..%2f..',
    'github%00',
    'github?',
    '%0d%0aX:y',
    'evil.example',
  ].map(
    (provider): Case => ({
      name: `a provider ${provider}`,
      status: provider === 'github?' ? 302 : 404,
      mayEcho: true,
      check: ({ headers }) => expect(headers.location ?? iam.url).toContain(iam.url),
      send: () => anonymous(`GET /sign-in/${provider}`),
    }),
  ),
])
