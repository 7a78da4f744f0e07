// Which credential goes where, and what stops the start.

import { generateKeyPairSync } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { Identify } from '../../server/auth/bearer.js'
import { openIdentify } from '../../server/auth/identify.js'
import { readConfig } from '../../server/config.js'
import { createLog } from '../../server/ops/log.js'
import { ediId, type Iam, startIam } from '../support/iam.js'

const ada = ediId('ada')
const OUR_KEY = `ap_${'a'.repeat(27)}`
const FILE_KEY = 'key-of-the-file-0001'
let iam: Iam
let folder: string
let askedDatabase: string[]

beforeAll(async () => {
  iam = await startIam()
})
afterAll(() => iam.close())
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'antipasto-identify-'))
  askedDatabase = []
})
afterEach(() => rm(folder, { recursive: true, force: true }))

function open(env: Record<string, string>): Promise<Identify> {
  return openIdentify({
    config: readConfig(env, folder),
    identifyApiKey: async (key) => {
      askedDatabase.push(key)
      return key === OUR_KEY ? { owner: 'lter', scopes: new Set(['read']), keyId: 'k1' } : undefined
    },
    log: createLog({ level: 'silent' }),
  })
}

async function write(name: string, text: string): Promise<string> {
  await writeFile(path.join(folder, name), text)
  return name
}

describe('Without AUTH_*', () => {
  test('every credential is an API key, tokens too', async () => {
    const identify = await open({})
    const token = iam.issue({ sub: ada })
    expect(await identify(OUR_KEY)).toMatchObject({ owner: 'lter' })
    expect(await identify(token)).toBeUndefined()
    expect(await identify(iam.makeKey())).toBeUndefined()
    expect(askedDatabase).toHaveLength(3)
    expect(iam.requests('/auth/v1/key')).toBe(0)
  })
})

describe('With AUTH_PRESET=edi', () => {
  test('a token is checked by its key, and the database not asked', async () => {
    const identify = await open(iam.env)
    expect(await identify(iam.issue({ sub: ada }))).toMatchObject({ owner: ada })
    expect(await identify(`${iam.issue({ sub: ada })}.a.b`)).toBeUndefined()
    expect(await identify('eyJhbGciOiJub25lIn0.e30.')).toBeUndefined()
    expect(askedDatabase).toEqual([])
  })

  test('our keys are looked for in the database, and never sent to the IAM', async () => {
    const before = iam.requests('/auth/v1/key')
    const identify = await open(iam.env)
    expect(await identify(OUR_KEY)).toMatchObject({ owner: 'lter' })
    expect(await identify(`ap_${'b'.repeat(24)}`)).toBeUndefined()
    expect(await identify('some-other-key')).toBeUndefined()
    expect(askedDatabase).toHaveLength(3)
    expect(iam.requests('/auth/v1/key')).toBe(before)
  })

  test("the IAM's keys are its own to know, and checked as tokens are", async () => {
    const identify = await open(iam.env)
    expect(await identify(iam.makeKey({ sub: ada }))).toMatchObject({ owner: ada })
    expect(await identify(iam.makeKey({ claims: { iss: 'https://evil.example' } }))).toBeUndefined()
    expect(await identify(iam.makeKey({ expiresInSeconds: -3600 }))).toBeUndefined()
    expect(await identify('c'.repeat(27))).toBeUndefined()
    expect(askedDatabase).toEqual([])
  })

  test('a key of the settings that looks like one of the IAM stays here', async () => {
    const before = iam.requests('/auth/v1/key')
    const [likeIam, likeJwt] = ['d'.repeat(27), iam.issue({ sub: ada })]
    const identify = await open({ ...iam.env, API_UPLOAD_KEYS: `${likeIam},${likeJwt}` })
    for (const key of [likeIam, likeJwt]) expect(await identify(key)).toMatchObject({ owner: 'default' })
    expect(iam.requests('/auth/v1/key')).toBe(before)
  })

  test('AUTH_SCOPES says who may do what', async () => {
    const identify = await open({ ...iam.env, AUTH_SCOPES: `*:read,${ediId('staff')}:admin` })
    const scopesOf = async (token: string) => [...((await identify(token))?.scopes ?? [])]
    expect(await scopesOf(iam.issue({ sub: ada }))).toEqual(['read'])
    expect(await scopesOf(iam.issue({ sub: ada, principals: [ediId('staff')] }))).toEqual(['read', 'admin'])
  })

  test.each(['e'.repeat(16 * 1024 + 1), `eyJ${'.'.repeat(200_000)}`, 'é'.repeat(50_000)])(
    'what is longer than 16 KiB is nobody, and nobody is asked',
    async (credential) => {
      expect(await (await open(iam.env))(credential)).toBeUndefined()
      expect(askedDatabase).toEqual([])
    },
  )
})

describe('With another IAM', () => {
  test('any owner that is a name is one, aud is checked, and no key is exchanged', async () => {
    const identify = await open({
      AUTH_PUBLIC_KEY_FILE: iam.publicKeyFile,
      AUTH_ISSUER: 'https://id.example',
      AUTH_AUDIENCE: 'antipasto',
    })
    const claims = { iss: 'https://id.example', hd: undefined }
    expect(await identify(iam.issue({ sub: 'ada', claims: { ...claims, aud: 'antipasto' } }))).toMatchObject({
      owner: 'ada',
    })
    expect(await identify(iam.issue({ sub: 'ada', claims }))).toBeUndefined()
    const before = iam.requests('/auth/v1/key')
    expect(await identify(iam.makeKey())).toBeUndefined()
    expect(iam.requests('/auth/v1/key')).toBe(before)
  })

  test('a JWK set in a file checks tokens by the key that they name', async () => {
    const jwk = { ...iam.publicKey.export({ format: 'jwk' }), kid: 'one' }
    const file = await write('jwks.json', JSON.stringify({ keys: [jwk] }))
    const identify = await open({ AUTH_PRESET: 'edi', AUTH_JWKS_FILE: file })
    expect(await identify(iam.issue({ sub: ada, header: { kid: 'one' } }))).toMatchObject({ owner: ada })
    expect(await identify(iam.issue({ sub: ada }))).toMatchObject({ owner: ada })
    expect(await identify(iam.issue({ sub: ada, header: { kid: 'two' } }))).toBeUndefined()
  })

  test('the keys of a URL add to those of a file, whose tokens need no answer', async () => {
    const remote = await startIam()
    try {
      const env = { AUTH_PRESET: 'edi', AUTH_JWKS_URL: remote.jwksUrl }
      const jwk = { ...iam.publicKey.export({ format: 'jwk' }), kid: 'one' }
      const file = await write('jwks.json', JSON.stringify({ keys: [jwk] }))
      const identify = await open({ ...env, AUTH_JWKS_FILE: file })
      expect(await identify(iam.issue({ sub: ada, header: { kid: 'one' } }))).toMatchObject({ owner: ada })
      expect(remote.requests('/jwks.json')).toBe(0)
      expect(await identify(remote.issue({ sub: ada, withKid: true }))).toMatchObject({ owner: ada })
      expect(remote.requests('/jwks.json')).toBe(1)
      expect(await identify(remote.issue({ sub: ada, header: { kid: 'one' } }))).toBeUndefined()
    } finally {
      await remote.close()
    }
  })

  test('a key without a name goes on while the URL is away, and what it did not sign is not called wrong', async () => {
    const remote = await startIam()
    try {
      remote.fail('500')
      const identify = await open({ ...iam.env, AUTH_JWKS_URL: remote.jwksUrl })
      expect(await identify(iam.issue({ sub: ada }))).toMatchObject({ owner: ada })
      await expect(identify(remote.issue({ sub: ada, withKid: true }))).rejects.toMatchObject({
        code: 'UNAVAILABLE',
      })
    } finally {
      await remote.close()
    }
  })
})

describe('API_KEYS_DIR', () => {
  beforeEach(async () => {
    await mkdir(path.join(folder, 'keys'))
    await write('keys/lter-ntl', `# theirs\nupload+read ${FILE_KEY}\n`)
  })

  test('its keys are their owners', async () => {
    const identify = await open({ API_KEYS_DIR: 'keys' })
    expect(await identify(FILE_KEY)).toEqual({ owner: 'lter-ntl', scopes: new Set(['upload', 'read']) })
    expect(await identify(OUR_KEY)).toMatchObject({ owner: 'lter' })
    expect(askedDatabase).toEqual([OUR_KEY])
  })

  test('a key that the settings have, too, stops the start', async () => {
    await expect(open({ API_KEYS_DIR: 'keys', API_READ_KEYS: FILE_KEY })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      detail: expect.stringMatching(/^API_KEYS_DIR.*lter-ntl.*line 2/),
    })
  })
})

describe('What stops the start', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey
  const privatePem = String(privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const jwks = (...keys: object[]): string => JSON.stringify({ keys })

  test.each<[string, string | undefined, RegExp]>([
    ['AUTH_PUBLIC_KEY_FILE', undefined, /can't be read \(ENOENT\)/],
    ['AUTH_PUBLIC_KEY_FILE', '', /no public key/],
    ['AUTH_PUBLIC_KEY_FILE', privatePem, /private key/],
    ['AUTH_PUBLIC_KEY_FILE', String(p384.export({ type: 'spki', format: 'pem' })), /ES256/],
    ['AUTH_JWKS_FILE', undefined, /can't be read \(ENOENT\)/],
    ['AUTH_JWKS_FILE', '{}', /JSON Web Key Set/],
    ['AUTH_JWKS_FILE', jwks(), /no key that checks signatures/],
    ['AUTH_JWKS_FILE', jwks({ kty: 'oct', k: 'c2VjcmV0' }), /key 1: .*shared secret/],
    ['AUTH_JWKS_FILE', jwks(privateKey.export({ format: 'jwk' })), /key 1: .*private key/],
    ['AUTH_JWKS_FILE', jwks(p384.export({ format: 'jwk' })), /key 1: .*ES256/],
  ])('%s with %j', async (setting, text, detail) => {
    const file = text === undefined ? 'gone' : await write('key', text)
    const refused = await open({ AUTH_PRESET: 'edi', [setting]: file }).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'INVALID_INPUT', detail: expect.stringMatching(detail) })
    expect(refused).toHaveProperty(
      'detail',
      expect.stringContaining(`${setting}="${path.join(folder, file)}"`),
    )
    expect(String(refused)).not.toContain(privatePem.split('\n')[1])
  })

  test('A JWKS URL that is away does not', async () => {
    const identify = await open({ AUTH_PRESET: 'edi', AUTH_JWKS_URL: 'http://127.0.0.1:9/jwks.json' })
    await expect(identify(iam.issue({ sub: ada }))).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(await identify(OUR_KEY)).toMatchObject({ owner: 'lter' })
  })
})
