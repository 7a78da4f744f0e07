import { describe, expect, test } from '@jest/globals'
import { shortened, shownPath, withoutControls, withoutSecrets } from '../../server/ops/redact.js'
import fc from '../support/properties.js'

test.each([
  ['/uploads/u1', '/uploads/u1'],
  ['/uploads?q=secret', '/uploads'],
  ['/uploads#a?b', '/uploads'],
  ['/r/TOKEN/lake.csv', '/r/[redacted]/lake.csv'],
  ['/R/TOKEN/lake.csv', '/r/[redacted]/lake.csv'],
  ['/r/TOKEN', '/r/[redacted]'],
  ['/r/TOKEN?x=TOKEN', '/r/[redacted]'],
  ['http://host/r/TOKEN/lake.csv', '/r/[redacted]/lake.csv'],
  [`/api-keys/ap_${'k'.repeat(27)}`, '/api-keys/[redacted]'],
  ['/api-keys/any-shape-of-a.key/x', '/api-keys/[redacted]/x'],
  ['/api-keys/ap_M9avx', '/api-keys/ap_M9avx'],
  ['/api-keys/0b8e5c1a-7a86-4f0e-9f83-1b8a5f0c6b1a', '/api-keys/0b8e5c1a-7a86-4f0e-9f83-1b8a5f0c6b1a'],
  ['/api-keys', '/api-keys'],
  ['/%72/TOKEN/lake.csv', '/r/[redacted]/lake.csv'],
  ['/r//TOKEN/lake.csv', '/r/[redacted]/lake.csv'],
  ['http://host?x=1', ''],
  ['/', '/'],
  ['*', '*'],
  ['', ''],
])('%s is shown as %s', (url, shown) => {
  expect(shownPath(url)).toBe(shown)
})

const TOKEN = 'Zk3vJ_q8-LmN0pQrStUvWxYz12A'
const JWT = `eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJFREktMSJ9.${'s'.repeat(86)}`
const API_KEY = `ap_${'k'.repeat(27)}`

describe('A line keeps for itself', () => {
  test.each<[string, string, unknown]>([
    ['a JWT', JWT, `refused: ${JWT}.`],
    ['a JWE', 'eyJhbGciOiJSU0EtT0FFUCJ9.k.i.c.t', 'eyJhbGciOiJSU0EtT0FFUCJ9.k.i.c.t'],
    ['an API key', API_KEY, `GET /api-keys/${API_KEY} failed`],
    ['a key of the IAM', TOKEN, { body: { key: TOKEN } }],
    ['a key of the IAM in a body as text', TOKEN, `sent {"key":"${TOKEN}"}`],
    ['a short key in a body as text', 'k3y', `sent {"key": "k3y"}`],
    ['a key that a line begins with', TOKEN, `the key is\n${TOKEN}\nand no other`],
    ['a bearer token of any shape', 'opaque.token~1', 'Authorization: Bearer opaque.token~1'],
    ['a bearer token that a line begins with', 'opaque.token~1', 'headers:\nBearer opaque.token~1'],
    ['Basic', 'dXNlcjpwYXNz', 'proxy said basic dXNlcjpwYXNz'],
    ['a header at any depth', 's3cret', { a: { b: { c: { Authorization: 's3cret' } } } }],
    ['a header with quotes in it', 's3cret', { cookie: 'a="\\"s3cret\\""' }],
    ['cookies in a list', 's3cret', { headers: { 'set-cookie': ['a=s3cret', 'b=s3cret'] } }],
    ['raw headers', 's3cret', { rawHeaders: ['Host', 'x', 'X-API-Key', 's3cret', 'Accept', '*/*'] }],
    ['an inspected object', 's3cret', "{ host: 'db', password: 's3cret', 'x-api-key': 's3cret' }"],
    ['a token in a retrieval URL', TOKEN, `GET https://host/r/${TOKEN}/lake.csv`],
    ['a token in a query', 's3cret', 'GET /?edi_token=s3cret&cn=me'],
    ['an access token in a query', 's3cret', 'https://host/uploads?a=1&access_token=s3cret'],
    ['a key in a fragment', 's3cret', 'https://host/#key=s3cret'],
    ['a password in a URL', 's3cret', 'connect postgresql://antipasto:s3cret@db:5432/antipasto'],
    ['a password with an @', 's3cr@t', 'postgres://u:s3cr@t@db/x is unreachable'],
    ['a password in words', 's3cret', 'host=db password=s3cret dbname=x'],
    ['a secret of a webhook', 'AbCdEfGh+/12=', 'signed with whsec_AbCdEfGh+/12='],
    ['a presigned URL', 'a1b2c3', 'https://s3/b/k?X-Amz-Credential=AKIAX%2F2026&X-Amz-Signature=a1b2c3&x=1'],
    [
      'a signature of AWS',
      'a1b2c3',
      'AWS4-HMAC-SHA256 Credential=AKIAX/2026, SignedHeaders=host, Signature=a1b2c3',
    ],
    ['a session token of AWS', 's3cret', { 'x-amz-security-token': 's3cret' }],
    ['bytes', '83,51,99', { rawPacket: Buffer.from('S3cret') }],
    ['a value of a unique column', TOKEN, `Key (retrieval_token)=(${TOKEN}) already exists.`],
    ['a row', 's3cret', 'Failing row contains (1, "s3cret", \\x00, s3cret).'],
  ])('%s', (_what, secret, told) => {
    const line = JSON.stringify({ level: 'info', told, msg: 'kept' })
    expect(line).toContain(JSON.stringify(secret).slice(1, -1))
    const shown = withoutSecrets(line)
    expect(shown).not.toContain(secret)
    expect(shown).toMatch(/\[redacted\]|"type":"Buffer"/)
    expect(JSON.parse(shown)).toMatchObject({ level: 'info', msg: 'kept' })
  })

  test('nothing else', () => {
    const line = JSON.stringify({
      id: '0b8e5c1a-7a86-4f0e-9f83-1b8a5f0c6b1a',
      upload_id: '1f0e9f831b8a5f0c6b1a7a864f0e9f831b8a5f0c',
      path: '/packages/lake-temperature-2026-abcde/files',
      owner: 'EDI-1f0e9f831b8a5f0c6b1a7a864f0e9f831b8a5f0c',
      user_agent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0',
      public_url: 'https://staging.example.org',
      err: { message: 'connect ECONNREFUSED 127.0.0.1:5432', stack: 'at file:///srv/dist/server/app.js:1:2' },
    })
    expect(withoutSecrets(line)).toBe(line)
  })
})

test('Whatever a line says, it stays JSON of the same members', () => {
  const pieces = [
    '"',
    '\\',
    '\n',
    "'",
    '=',
    ': ',
    'key',
    'password',
    'token',
    TOKEN,
    JWT,
    'Bearer ',
    '://',
    '@',
    'Key (a)=(',
  ]
  const text = fc
    .array(fc.oneof(fc.constantFrom(...pieces), fc.string()), { maxLength: 12 })
    .map((all) => all.join(''))
  fc.assert(
    fc.property(fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), text), text, (members, msg) => {
      const shown = JSON.parse(withoutControls(withoutSecrets(JSON.stringify({ ...members, msg }))))
      expect(Object.keys(shown)).toEqual(Object.keys({ ...members, msg }))
      expect(JSON.stringify(shown)).not.toContain(JWT)
    }),
    { numRuns: 500 },
  )
})

test.each([
  'eyJ',
  'a-',
  'a.',
  'Bearer ',
  'token',
  'Key (',
  '"token"',
  'aB1-',
  ' key=',
  '\n',
  "password: '",
  'x://',
  '/r/',
])('A megabyte of %j costs no more than its length', (piece) => {
  const line = JSON.stringify({ msg: piece.repeat(2 ** 20 / piece.length) })
  const before = process.cpuUsage()
  withoutControls(withoutSecrets(line))
  // In microseconds of this process, whatever else the machine does. Linear is some tens of milliseconds; quadratic would be minutes.
  expect(process.cpuUsage(before).user).toBeLessThan(10_000_000)
})

test('What breaks lines or turns text around is escaped, and the value stays', () => {
  const text = 'a\u2028b\u2029c\u0085d\u009be\u007ff\u202eg\u2066h\ufeffi\u001b[2Jj\r\nk'
  const line = JSON.stringify({ text })
  const shown = withoutControls(line)
  expect(shown).toMatch(/^[\x20-\x7e]*$/)
  expect(JSON.parse(shown)).toEqual({ text })
  expect(withoutControls('{"a":"日本語 ü"}')).toBe('{"a":"日本語 ü"}')
})

test('Text is shortened to what is worth keeping', () => {
  expect(shortened('abc', 3)).toBe('abc')
  expect(shortened('abcd', 3)).toBe('abc…')
  expect(shortened('ab😀', 3).isWellFormed()).toBe(true)
})
