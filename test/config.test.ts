import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import {
  ConfigError,
  configTable,
  type Environment,
  loadEnvironment,
  optionsKeptByNpm,
  readConfig,
} from '../server/config.js'

const key = 'k'.repeat(16)

function problemsOf(environment: Environment): readonly string[] {
  try {
    readConfig(environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

describe('defaults', () => {
  test('An empty environment gives a server that a laptop can run', () => {
    expect(readConfig({}, '/srv/antipasto')).toEqual({
      port: 8080,
      host: '127.0.0.1',
      publicUrl: 'http://localhost:8080',
      dataDir: '/srv/antipasto/data',
      databaseUrl: undefined,
      store: 'local',
      s3Bucket: undefined,
      s3Region: 'us-east-1',
      s3Endpoint: undefined,
      s3Prefix: 'antipasto',
      s3ForcePathStyle: undefined,
      s3Checksums: 'WHEN_REQUIRED',
      s3BufferBytes: 256 * 1024 ** 2,
      retrievalMode: 'proxy',
      uploadTtlSeconds: 30 * 86_400,
      sessionTtlSeconds: 7 * 86_400,
      tombstoneTtlSeconds: 30 * 86_400,
      maxTtlSeconds: 365 * 86_400,
      maxFileBytes: 5 * 1024 ** 4,
      minFreeBytes: 1024 ** 3,
      apiUploadKeys: [],
      apiReadKeys: [],
      apiDeleteKeys: [],
      sweepCron: '*/5 * * * *',
      logLevel: 'info',
      corsOrigins: [],
      deleteStrict404: true,
      anonRead: false,
      noProgressTimeoutSeconds: 60,
      retentionClasses: [
        { name: 'staging', ttlSeconds: 30 * 86_400 },
        { name: 'short', ttlSeconds: 7 * 86_400 },
        { name: 'permanent', ttlSeconds: null },
      ],
      expiryNoticeSeconds: 3 * 86_400,
      webhookPrivateAddresses: false,
      authPreset: 'none',
      authPublicKeyFile: undefined,
      authJwksFile: undefined,
      authJwksUrl: undefined,
      authAlgorithms: undefined,
      authIssuer: undefined,
      authAudience: undefined,
      authHostedDomain: undefined,
      authIamUrl: undefined,
      authScopes: [{ principal: '*', scopes: ['upload', 'read', 'delete'] }],
      apiKeysDir: undefined,
      quotaBytes: undefined,
      quotaFiles: undefined,
      quotaOpenUploads: undefined,
      rateLimitKey: undefined,
      rateLimitAddress: undefined,
      rateLimitStore: 'memory',
      trustProxy: 0,
      minUploadRate: 128,
      maxConnectionsPerAddress: 1000,
      metricsToken: undefined,
      retrievalUrl: undefined,
      onReadyCommand: undefined,
      onReadyUrl: undefined,
      onReadyTimeoutSeconds: 900,
      eventTtlSeconds: 365 * 86_400,
      startTimeoutSeconds: 60,
      stopDelaySeconds: 0,
      stopTimeoutSeconds: 20,
      commandEnvironment: { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8' },
      otelDisabled: false,
      otlpEndpoint: undefined,
      otlpTracesEndpoint: undefined,
      otlpHeaders: undefined,
      otelServiceName: 'antipasto',
      tracesSampler: 'parentbased_always_on',
      tracesSampledRatio: 1,
    })
  })

  test('A setting that is empty or blank counts as absent', () => {
    expect(readConfig({ PORT: '', UPLOAD_TTL: '  ' })).toEqual(readConfig({}))
  })

  test('The table names every setting once, with a default and a meaning', () => {
    const table = configTable()
    expect(new Set(table.map((row) => row.name)).size).toBe(table.length)
    // One field is no setting of ours: what commands get of the environment.
    const { commandEnvironment, ...fields } = readConfig({})
    expect(table.length).toBe(Object.keys(fields).length)
    expect(Object.keys(commandEnvironment)).toEqual(['PATH', 'LANG'])
    for (const row of table) {
      expect(row.default).not.toBe('')
      expect(row.meaning).not.toBe('')
    }
    expect(table).toContainEqual(expect.objectContaining({ name: 'UPLOAD_TTL', default: '30d' }))
    expect(table).toContainEqual(
      expect.objectContaining({ name: 'API_READ_KEYS', default: 'API_UPLOAD_KEYS' }),
    )
  })
})

describe('right values', () => {
  test.each([
    [{ PORT: '0' }, { port: 0, publicUrl: undefined }],
    [{ PORT: '0', PUBLIC_URL: 'https://s.example.org' }, { publicUrl: 'https://s.example.org' }],
    [{ PORT: ' 9000 ' }, { port: 9000, publicUrl: 'http://localhost:9000' }],
    [{ HOST: '::' }, { host: '::' }],
    [{ HOST: 'localhost' }, { host: 'localhost' }],
    [{ PUBLIC_URL: 'https://staging.example.org/' }, { publicUrl: 'https://staging.example.org' }],
    [{ PUBLIC_URL: 'https://staging.example.org:8443' }, { publicUrl: 'https://staging.example.org:8443' }],
    [{ DATA_DIR: '/var/lib/antipasto' }, { dataDir: '/var/lib/antipasto' }],
    [{ DATABASE_URL: 'postgresql://u:p@db/x' }, { databaseUrl: 'postgresql://u:p@db/x' }],
    [
      { STORE: 'local', S3_BUCKET: 'kept-for-later' },
      { store: 'local', s3Bucket: 'kept-for-later' },
    ],
    [
      { STORE: 's3', S3_BUCKET: 'my.bucket-1' },
      { store: 's3', s3Bucket: 'my.bucket-1' },
    ],
    [{ S3_REGION: 'auto' }, { s3Region: 'auto' }],
    [{ S3_ENDPOINT: 'http://garage:3900/' }, { s3Endpoint: 'http://garage:3900' }],
    [{ S3_ENDPOINT: 'https://s3.example.org' }, { s3Endpoint: 'https://s3.example.org' }],
    [{ S3_PREFIX: 'lab/staging_1.x' }, { s3Prefix: 'lab/staging_1.x' }],
    [{ S3_FORCE_PATH_STYLE: 'false' }, { s3ForcePathStyle: false }],
    [{ S3_CHECKSUMS: 'WHEN_SUPPORTED' }, { s3Checksums: 'WHEN_SUPPORTED' }],
    [{ S3_BUFFER_BYTES: '64MiB' }, { s3BufferBytes: 64 * 1024 ** 2 }],
    [{ STORE: 's3', S3_BUCKET: 'abc', RETRIEVAL_MODE: 'redirect' }, { retrievalMode: 'redirect' }],
    [{ STORE: 's3', S3_BUCKET: 'abc', MAX_FILE_BYTES: '5TiB' }, { maxFileBytes: 5 * 1024 ** 4 }],
    [{ UPLOAD_TTL: '90s' }, { uploadTtlSeconds: 90 }],
    [{ UPLOAD_TTL: '15m' }, { uploadTtlSeconds: 900 }],
    [{ SESSION_TTL: '12h' }, { sessionTtlSeconds: 43_200 }],
    [{ TOMBSTONE_TTL: '1d' }, { tombstoneTtlSeconds: 86_400 }],
    [{ MAX_FILE_BYTES: '1073741824' }, { maxFileBytes: 1024 ** 3 }],
    [{ MAX_FILE_BYTES: '100 GiB' }, { maxFileBytes: 100 * 1024 ** 3 }],
    [{ MAX_FILE_BYTES: '9007199254740991' }, { maxFileBytes: Number.MAX_SAFE_INTEGER }],
    [{ MIN_FREE_BYTES: '0' }, { minFreeBytes: 0 }],
    [{ SWEEP_CRON: '0 3 * * *' }, { sweepCron: '0 3 * * *' }],
    [{ LOG_LEVEL: 'silent' }, { logLevel: 'silent' }],
    [{ CORS_ORIGINS: '*' }, { corsOrigins: '*' }],
    [
      { CORS_ORIGINS: 'https://a.example.org, http://localhost:3000' },
      { corsOrigins: ['https://a.example.org', 'http://localhost:3000'] },
    ],
    [{ DELETE_STRICT_404: 'false' }, { deleteStrict404: false }],
    [{ ANON_READ: 'true' }, { anonRead: true }],
    [{ NO_PROGRESS_TIMEOUT: '5s' }, { noProgressTimeoutSeconds: 5 }],
    [
      { RETENTION_CLASSES: 'a:1s, keep:never' },
      {
        retentionClasses: [
          { name: 'a', ttlSeconds: 1 },
          { name: 'keep', ttlSeconds: null },
        ],
      },
    ],
    [
      { UPLOAD_TTL: '5d' },
      {
        retentionClasses: [
          { name: 'staging', ttlSeconds: 5 * 86_400 },
          { name: 'short', ttlSeconds: 7 * 86_400 },
          { name: 'permanent', ttlSeconds: null },
        ],
      },
    ],
    [{ EXPIRY_NOTICE: '12h' }, { expiryNoticeSeconds: 43_200 }],
    [{ WEBHOOK_PRIVATE_ADDRESSES: 'true' }, { webhookPrivateAddresses: true }],
    [{ API_UPLOAD_KEYS: key }, { apiUploadKeys: [key], apiReadKeys: [key], apiDeleteKeys: [key] }],
    [
      { API_UPLOAD_KEYS: key, API_DELETE_KEYS: `${key}d, ${key}e` },
      { apiReadKeys: [key], apiDeleteKeys: [`${key}d`, `${key}e`] },
    ],
    [{ API_READ_KEYS: key }, { apiUploadKeys: [], apiReadKeys: [key], apiDeleteKeys: [] }],
    [
      { PATH: '/opt/bin', LANG: 'de_DE.UTF-8', AWS_SECRET_ACCESS_KEY: 'hunter2' },
      { commandEnvironment: { PATH: '/opt/bin', LANG: 'de_DE.UTF-8' } },
    ],
    [
      { AUTH_JWKS_URL: 'https://iam.example.org/jwks.json', AUTH_ISSUER: 'https://iam.example.org' },
      { authJwksUrl: 'https://iam.example.org/jwks.json', authIssuer: 'https://iam.example.org' },
    ],
    [
      {
        AUTH_JWKS_URL: 'http://localhost:9000/jwks.json',
        AUTH_ISSUER: 'i',
        AUTH_AUDIENCE: 'a',
        AUTH_HOSTED_DOMAIN: 'd',
      },
      { authJwksUrl: 'http://localhost:9000/jwks.json', authAudience: 'a', authHostedDomain: 'd' },
    ],
    [
      { AUTH_PUBLIC_KEY_FILE: '/etc/iam.pem', AUTH_ISSUER: 'i', AUTH_ALGORITHMS: 'ES256, EdDSA' },
      { authPublicKeyFile: '/etc/iam.pem', authAlgorithms: ['ES256', 'EdDSA'] },
    ],
    [
      { AUTH_JWKS_FILE: '/etc/jwks.json', AUTH_ISSUER: 'i', AUTH_IAM_URL: 'https://iam.example.org/' },
      { authJwksFile: '/etc/jwks.json', authIamUrl: 'https://iam.example.org', authAlgorithms: undefined },
    ],
    // A principal may have colons itself.
    [
      { AUTH_SCOPES: '*:read, EDI-1f:upload+read, urn:lter:ntl:admin' },
      {
        authScopes: [
          { principal: '*', scopes: ['read'] },
          { principal: 'EDI-1f', scopes: ['upload', 'read'] },
          { principal: 'urn:lter:ntl', scopes: ['admin'] },
        ],
      },
    ],
    [{ API_KEYS_DIR: '/etc/keys' }, { apiKeysDir: '/etc/keys' }],
    [
      { QUOTA_BYTES: '1TiB', QUOTA_FILES: '1000', QUOTA_OPEN_UPLOADS: '1' },
      { quotaBytes: 1024 ** 4, quotaFiles: 1000, quotaOpenUploads: 1 },
    ],
    [
      { QUOTA_BYTES: 'none', MIN_UPLOAD_RATE: 'none', MAX_CONNECTIONS_PER_ADDRESS: 'none' },
      { quotaBytes: undefined, minUploadRate: undefined, maxConnectionsPerAddress: undefined },
    ],
    [
      { RATE_LIMIT_KEY: '600/1m', RATE_LIMIT_ADDRESS: '1/1d', RATE_LIMIT_STORE: 'postgres' },
      {
        rateLimitKey: { requests: 600, windowSeconds: 60 },
        rateLimitAddress: { requests: 1, windowSeconds: 86_400 },
        rateLimitStore: 'postgres',
      },
    ],
    [{ TRUST_PROXY: 'none' }, { trustProxy: 0 }],
    [{ TRUST_PROXY: '2' }, { trustProxy: 2 }],
    [{ TRUST_PROXY: '10.0.0.0/8, ::1, fd00::/8' }, { trustProxy: ['10.0.0.0/8', '::1', 'fd00::/8'] }],
    [{ MIN_UPLOAD_RATE: '1KiB' }, { minUploadRate: 1024 }],
    [{ MAX_CONNECTIONS_PER_ADDRESS: '50' }, { maxConnectionsPerAddress: 50 }],
    [{ RETRIEVAL_URL: 'https://files.example.org/' }, { retrievalUrl: 'https://files.example.org' }],
    [{ ON_READY_COMMAND: 'clamdscan --fdpass -' }, { onReadyCommand: 'clamdscan --fdpass -' }],
    [{ ON_READY_URL: 'http://scanner:3310/scan' }, { onReadyUrl: 'http://scanner:3310/scan' }],
    [{ ON_READY_TIMEOUT: '30s' }, { onReadyTimeoutSeconds: 30 }],
    [{ EVENT_TTL: '30d' }, { eventTtlSeconds: 30 * 86_400 }],
  ])('%j', (environment: Environment, expected) => {
    expect(readConfig(environment)).toMatchObject(expected)
  })
})

describe('wrong values', () => {
  test.each([
    ['PORT', ['-1', '65536', '80a', '8080.5', '0x50', '1e3']],
    ['HOST', ['two words', 'http://localhost', '-x']],
    [
      'PUBLIC_URL',
      [
        'staging.example.org',
        'ftp://x',
        'http://x/path',
        'http://x/?q=1',
        'http://x/#a',
        'http://u:p@x',
        'http://',
      ],
    ],
    ['STORE', ['S3', 'Local']],
    [
      'S3_BUCKET',
      [
        'ab',
        'Bucket',
        'a_b_c',
        'a..b',
        '-abc',
        'abc.',
        'arn:aws:s3:::abc',
        's3://abc',
        'a/b',
        'b'.repeat(64),
      ],
    ],
    ['S3_REGION', ['us west', 'us-east-1/']],
    ['S3_ENDPOINT', ['garage:3900', 'http://garage:3900/bucket', 'https://key:secret@s3', 's3://bucket']],
    ['S3_PREFIX', ['/a', 'a/', 'a//b', 'a/../b', '.', 'a b', 'a%2fb', 'x'.repeat(201)]],
    ['S3_FORCE_PATH_STYLE', ['yes']],
    ['S3_CHECKSUMS', ['never', 'when_required']],
    ['S3_BUFFER_BYTES', ['63MiB', '0', 'all']],
    ['RETRIEVAL_MODE', ['redirect', 'Proxy', 'presigned']],
    ['UPLOAD_TTL', ['30', '0s', '-1d', '1.5h', '30 d', '1w', '36501d', '1d12h', 'forever', '366d']],
    ['SESSION_TTL', ['30', '0d']],
    ['RETENTION_CLASSES', ['a', 'a:30', 'a:0s', 'a:never,a:1d', 'A:1d', ':1d', 'a:1d;b:2d', 'a b:1d']],
    ['EXPIRY_NOTICE', ['3', '0d']],
    ['WEBHOOK_PRIVATE_ADDRESSES', ['yes']],
    ['TOMBSTONE_TTL', ['x']],
    ['MAX_TTL', ['99999999999d']],
    ['MAX_FILE_BYTES', ['0', '-1', '5TB', '1.5GiB', '9007199254740992', '9000TiB', '0x10', '1e9']],
    ['MIN_FREE_BYTES', ['-1', 'lots']],
    ['SWEEP_CRON', ['x', '99 * * * *', '* *']],
    ['LOG_LEVEL', ['verbose', 'INFO']],
    [
      'CORS_ORIGINS',
      ['https://a.example.org/', 'a.example.org', 'https://a.example.org,*', 'https://A.example.org'],
    ],
    ['DELETE_STRICT_404', ['yes', '1', 'TRUE']],
    ['ANON_READ', ['maybe']],
    ['NO_PROGRESS_TIMEOUT', ['60', '0s', '2d']],
    ['AUTH_PRESET', ['EDI', 'okta']],
    ['AUTH_SCOPES', ['*', '*:all', ':read', '*:read+', 'a b:read', '*:upload,b']],
    ['QUOTA_BYTES', ['0', '-1', '1.5GiB', 'unlimited']],
    ['QUOTA_FILES', ['0', '1e3', '10KiB']],
    ['QUOTA_OPEN_UPLOADS', ['0', '1.5', 'None']],
    ['RATE_LIMIT_KEY', ['600', '600/', '0/1m', '600/1x', '600/0s', '600/2d', '-1/1m', '1.5/1m']],
    ['RATE_LIMIT_ADDRESS', ['none', '1m/600', '600 / 1m', '9999999999/1m']],
    ['RATE_LIMIT_STORE', ['redis', 'Memory']],
    [
      'TRUST_PROXY',
      [
        'true',
        '100',
        '-1',
        '10.0.0.0/33',
        '10.0.0.0/0',
        '::/129',
        'proxy.example.org',
        '1.2.3',
        'fe80::1%eth0',
      ],
    ],
    ['MIN_UPLOAD_RATE', ['0', '128B', '1/s']],
    ['MAX_CONNECTIONS_PER_ADDRESS', ['0', '10k', '1.5']],
    ['RETRIEVAL_URL', ['files.example.org', 'https://x/r', 'https://u:p@x', 'ftp://x']],
    ['ON_READY_TIMEOUT', ['0s', '2d', '30']],
    ['EVENT_TTL', ['0d', '365', 'never']],
  ])('%s refuses %j, and says its name, its value and what is allowed', (name, values) => {
    for (const value of values) {
      const problems = problemsOf({ [name]: value })
      expect(problems).toHaveLength(1)
      expect(problems[0]).toContain(name)
      // But for what may be a password.
      expect(problems[0]).toContain(value.replace(/\/\/.*@/, '//…@'))
      expect(problems[0]).toMatch(/Allowed: ./)
    }
  })

  test.each([
    ['AUTH_JWKS_URL', ['http://iam.example.org/jwks', 'iam.example.org', 'https://u:p@iam', 'file:///jwks']],
    ['AUTH_IAM_URL', ['http://iam.example.org', 'https://iam.example.org/auth', 'https://u:p@iam', 'iam']],
    ['AUTH_ALGORITHMS', ['HS256', 'none', 'es256', 'ES256,HS512', ',']],
    ['AUTH_ISSUER', ['two words', 'i'.repeat(301)]],
    ['AUTH_AUDIENCE', ['two words']],
    ['AUTH_HOSTED_DOMAIN', ['edi repository']],
  ])('%s refuses %j, with all else there that tokens need', (name, values) => {
    for (const value of values) {
      const problems = problemsOf({ AUTH_PUBLIC_KEY_FILE: 'key.pem', AUTH_ISSUER: 'i', [name]: value })
      expect(problems).toEqual([expect.stringContaining(name)])
      expect(problems[0]).toMatch(/Allowed: ./)
      expect(problems[0]).not.toContain('u:p')
    }
  })

  test('Every wrong setting is listed, not just the first', () => {
    const problems = problemsOf({ PORT: 'x', UPLOAD_TTL: 'y', LOG_LEVEL: 'z' })
    expect(problems.map((problem) => problem.split('=')[0])).toEqual(['PORT', 'UPLOAD_TTL', 'LOG_LEVEL'])
  })

  test('With STORE=s3 a bucket is needed; a wrong one is told of once', () => {
    for (const bucket of [undefined, '', ' ']) {
      const problems = problemsOf({ STORE: 's3', S3_BUCKET: bucket })
      expect(problems).toEqual([
        expect.stringMatching(/^S3_BUCKET is not set, .*STORE=s3.* Allowed: a bucket/),
      ])
    }
    expect(problemsOf({ STORE: 's3', S3_BUCKET: 'NO' })).toEqual([
      expect.stringMatching(/^S3_BUCKET="NO" is not allowed/),
    ])
  })

  test('With STORE=s3 no file may be larger than S3 takes', () => {
    const tooLarge = { MAX_FILE_BYTES: '6TiB', S3_BUCKET: 'abc' }
    expect(problemsOf({ ...tooLarge, STORE: 's3' })).toEqual([
      expect.stringMatching(/^MAX_FILE_BYTES=6TiB .* Allowed: at most 5TiB/),
    ])
    expect(readConfig({ ...tooLarge, STORE: 'local' }).maxFileBytes).toBe(6 * 1024 ** 4)
  })

  test('What contradicts is told together with what is wrong by itself', () => {
    const problems = problemsOf({
      PORT: 'x',
      STORE: 's3',
      MAX_FILE_BYTES: '6TiB',
      UPLOAD_TTL: '40d',
      MAX_TTL: '30d',
      S3_CHECKSUMS: 'no',
    })
    expect(problems.map((problem) => problem.split(/[= ]/)[0]).sort()).toEqual(
      ['PORT', 'S3_CHECKSUMS', 'UPLOAD_TTL', 'S3_BUCKET', 'MAX_FILE_BYTES'].sort(),
    )
    // Nothing follows from a setting that couldn't be read.
    expect(problemsOf({ STORE: 's4', RETRIEVAL_MODE: 'redirect', UPLOAD_TTL: '400d', MAX_TTL: 'y' })).toEqual(
      [expect.stringMatching(/^STORE=/), expect.stringMatching(/^MAX_TTL=/)],
    )
  })

  test('A wrong key is told by its place and length, never shown, and once although two lists inherit it', () => {
    const problems = problemsOf({ API_UPLOAD_KEYS: `${key},hunter2` })
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain('API_UPLOAD_KEYS: key 2 is 7 characters long')
    expect(problems[0]).not.toContain('hunter2')
    expect(problems[0]).not.toContain(key)
    expect(problemsOf({ API_READ_KEYS: `two words ${key}` })[0]).toContain('key 1 has a space')
  })

  test("A wrong database URL isn't shown: it may hold a password", () => {
    const problems = problemsOf({ DATABASE_URL: 'mysql://root:hunter2@db/x' })
    expect(problems[0]).toMatch(/^DATABASE_URL: .*postgresql:\/\//)
    expect(problems[0]).not.toContain('hunter2')
  })
})

describe('sign-in', () => {
  const pem = { AUTH_PUBLIC_KEY_FILE: 'key.pem' }

  test('AUTH_PRESET=edi says how EDI makes its tokens; the key is the operator’s to give', () => {
    const config = readConfig({ ...pem, AUTH_PRESET: 'edi' }, '/srv/antipasto')
    expect(config).toMatchObject({
      authPublicKeyFile: '/srv/antipasto/key.pem',
      authIssuer: 'https://auth.edirepository.org',
      authHostedDomain: 'edirepository.org',
      authAlgorithms: ['ES256'],
      authIamUrl: 'https://auth.edirepository.org',
      authAudience: undefined,
    })
    expect(problemsOf({ AUTH_PRESET: 'edi' })).toEqual([
      expect.stringMatching(
        /^AUTH_PRESET=edi needs a key .* Allowed: one of AUTH_PUBLIC_KEY_FILE, AUTH_JWKS_FILE, AUTH_JWKS_URL$/,
      ),
    ])
  })

  test('What is set wins over the preset', () => {
    const own = {
      AUTH_ISSUER: 'https://auth-d.edirepository.org',
      AUTH_IAM_URL: 'https://auth-d.edirepository.org',
    }
    expect(readConfig({ ...pem, AUTH_PRESET: 'edi', ...own })).toMatchObject({
      authIssuer: own.AUTH_ISSUER,
      authIamUrl: own.AUTH_IAM_URL,
      authHostedDomain: 'edirepository.org',
      authAlgorithms: ['ES256'],
    })
  })

  test.each([
    ['AUTH_ISSUER', 'i'],
    ['AUTH_AUDIENCE', 'a'],
    ['AUTH_HOSTED_DOMAIN', 'd.example.org'],
    ['AUTH_IAM_URL', 'https://iam.example.org'],
    ['AUTH_ALGORITHMS', 'ES256'],
  ])('%s without a key would check nothing, and stops the start', (name, value) => {
    expect(problemsOf({ [name]: value })).toEqual([
      expect.stringMatching(new RegExp(`^${name} needs a key to check tokens with`)),
    ])
  })

  test.each(['AUTH_PUBLIC_KEY_FILE', 'AUTH_JWKS_FILE'])(
    'With %s and no preset, the issuer must be named: a key signs for more than one',
    (name) => {
      expect(problemsOf({ [name]: 'key' })).toEqual([
        expect.stringMatching(/^AUTH_ISSUER is not set, and tokens need it\. Allowed: ./),
      ])
      expect(readConfig({ [name]: 'key', AUTH_ISSUER: 'i' }).authIssuer).toBe('i')
    },
  )
})

test('a content check is a command or a service, not both', () => {
  expect(problemsOf({ ON_READY_COMMAND: 'true', ON_READY_URL: 'http://scanner/' })).toEqual([
    'ON_READY_COMMAND and ON_READY_URL are both set. Allowed: one of them',
  ])
})

test("A wrong token of the metrics isn't shown", () => {
  for (const token of ['hunter2-hunter2', 'hunter2 and some more words', 'hunter2-hunter2-é']) {
    const problems = problemsOf({ METRICS_TOKEN: token })
    expect(problems).toEqual([expect.stringMatching(/^METRICS_TOKEN: .* Allowed: at least 16 characters/)])
    expect(problems[0]).not.toContain('hunter2')
  }
  expect(readConfig({ METRICS_TOKEN: 'sixteen-or-more!' }).metricsToken).toBe('sixteen-or-more!')
})

test('A stop may have no delay, but has an end', () => {
  expect(readConfig({ STOP_DELAY: '0s' }).stopDelaySeconds).toBe(0)
  expect(readConfig({ STOP_DELAY: '15s', STOP_TIMEOUT: '5m' })).toMatchObject({
    stopDelaySeconds: 15,
    stopTimeoutSeconds: 300,
  })
  expect(problemsOf({ STOP_DELAY: '2h', STOP_TIMEOUT: '0s', START_TIMEOUT: '60' })).toEqual([
    expect.stringMatching(/^START_TIMEOUT="60" is not allowed/),
    expect.stringMatching(/^STOP_DELAY="2h" is not allowed\. .*at least 0s\), and at most 1h$/),
    expect.stringMatching(/^STOP_TIMEOUT="0s" is not allowed/),
  ])
})

test("A wrong URL of a content check isn't shown: it may hold a password", () => {
  for (const url of ['scanner', 'ftp://u:hunter2@scanner']) {
    const problems = problemsOf({ ON_READY_URL: url })
    expect(problems).toEqual([expect.stringMatching(/^ON_READY_URL: .* Allowed: an http or https URL$/)])
    expect(problems[0]).not.toContain('hunter2')
  }
})

describe('secrets in files', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'antipasto-secrets-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  function file(name: string, content: string): string {
    const path = join(folder, name)
    writeFileSync(path, content)
    return path
  }

  test('NAME_FILE stands for NAME, and a newline at its end is none of the secret', () => {
    const config = readConfig({
      DATABASE_URL_FILE: file('url', 'postgresql://u:p@db/x\n'),
      API_UPLOAD_KEYS_FILE: file('upload', `${key}u,\n${key}v\n`),
      API_READ_KEYS_FILE: file('read', `${key}r`),
    })
    expect(config.databaseUrl).toBe('postgresql://u:p@db/x')
    expect(config.apiUploadKeys).toEqual([`${key}u`, `${key}v`])
    expect(config.apiReadKeys).toEqual([`${key}r`])
    // Inherited, as from the environment.
    expect(config.apiDeleteKeys).toEqual([`${key}u`, `${key}v`])
  })

  test('A path is relative to where the server starts; an empty file counts as absent', () => {
    file('relative', key)
    expect(readConfig({ API_UPLOAD_KEYS_FILE: 'relative' }, folder).apiUploadKeys).toEqual([key])
    expect(readConfig({ API_UPLOAD_KEYS_FILE: file('empty', ' \n') }).apiUploadKeys).toEqual([])
  })

  test('Both at once, and a file that is not there, stop the start, each told once', () => {
    const both = { API_UPLOAD_KEYS: key, API_UPLOAD_KEYS_FILE: file('both', `${key}x`) }
    expect(problemsOf(both)).toEqual([
      'API_UPLOAD_KEYS and API_UPLOAD_KEYS_FILE are both set. Allowed: one of them',
    ])
    expect(problemsOf({ API_UPLOAD_KEYS_FILE: join(folder, 'missing') })).toEqual([
      expect.stringMatching(/^API_UPLOAD_KEYS_FILE=.*missing.* can't be read .* Allowed: a file/),
    ])
  })

  test('What is wrong in a file is told without showing it', () => {
    const problems = problemsOf({
      API_UPLOAD_KEYS_FILE: file('short', 'hunter2'),
      DATABASE_URL_FILE: file('mysql', 'mysql://root:hunter2@db/x'),
    })
    expect(problems).toHaveLength(2)
    expect(problems.join()).not.toContain('hunter2')
  })

  test('What is no secret has no such file', () => {
    expect(readConfig({ PORT_FILE: file('port', '9000') }).port).toBe(8080)
  })
})

describe('.env', () => {
  test('Settings in .env are read, and what is exported wins', () => {
    const folder = mkdtempSync(join(tmpdir(), 'antipasto-env-'))
    const before = process.env.UPLOAD_TTL
    try {
      expect(loadEnvironment(folder)).toEqual(process.env)
      writeFileSync(join(folder, '.env'), '# a comment\nUPLOAD_TTL=90s\nLOG_LEVEL="debug"\n')
      process.env.UPLOAD_TTL = '12h'
      expect(loadEnvironment(folder)).toMatchObject({ UPLOAD_TTL: '12h', LOG_LEVEL: 'debug' })
    } finally {
      if (before === undefined) delete process.env.UPLOAD_TTL
      else process.env.UPLOAD_TTL = before
      rmSync(folder, { recursive: true })
    }
  })
})

test('an option that npm kept for itself is noticed', () => {
  expect(optionsKeptByNpm({ npm_config_dry_run: 'true', npm_config_loglevel: 'warn' }, ['dry-run'])).toEqual([
    'dry-run',
  ])
  expect(optionsKeptByNpm({ npm_config_loglevel: 'warn' }, ['dry-run', 'name'])).toEqual([])
})
