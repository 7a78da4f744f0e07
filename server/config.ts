// The only reader of the environment. One table says what can be set; a wrong value stops the start with its name.

import { existsSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { validate as isCronExpression } from 'node-cron'
import { z } from 'zod'
import type { RetentionClass } from './packages/retention.js'
import { parseByteCount, parseDurationSeconds } from './units.js'

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const

/** What the server runs with. Times are whole seconds, sizes whole bytes. */
export interface Config {
  /** 0: any free port. */
  port: number
  host: string
  /** An origin without a trailing slash. Undefined when `port` is 0: then it is known only after listening. */
  publicUrl: string | undefined
  /** Absolute. */
  dataDir: string
  /** Undefined: the embedded PostgreSQL under `dataDir`. */
  databaseUrl: string | undefined
  store: 'local' | 's3'
  /** Never undefined when `store` is s3. */
  s3Bucket: string | undefined
  s3Region: string
  /** Undefined: Amazon's own for the region. */
  s3Endpoint: string | undefined
  /** Without slashes at its ends. */
  s3Prefix: string
  /** Undefined: in the path where there is an endpoint of one's own, in the host name on Amazon. */
  s3ForcePathStyle: boolean | undefined
  s3Checksums: 'WHEN_REQUIRED' | 'WHEN_SUPPORTED'
  s3BufferBytes: number
  retrievalMode: 'proxy' | 'redirect'
  uploadTtlSeconds: number
  sessionTtlSeconds: number
  tombstoneTtlSeconds: number
  maxTtlSeconds: number
  maxFileBytes: number
  minFreeBytes: number
  apiUploadKeys: readonly string[]
  apiReadKeys: readonly string[]
  apiDeleteKeys: readonly string[]
  sweepCron: string
  logLevel: (typeof logLevels)[number]
  /** `*` or origins as browsers send them. */
  corsOrigins: '*' | readonly string[]
  deleteStrict404: boolean
  anonRead: boolean
  noProgressTimeoutSeconds: number
  /** At least one; the first is that of packages which name none. */
  retentionClasses: readonly RetentionClass[]
  expiryNoticeSeconds: number
  webhookPrivateAddresses: boolean
}

/** The fields as they are set, before what one says of another. */
interface Settings extends Omit<Config, 'retentionClasses'> {
  retentionClasses: readonly RetentionClass[] | undefined
}

export type Environment = Readonly<Record<string, string | undefined>>

interface Setting<Value> {
  name: string
  /** As it would be written in the environment. */
  default: string | undefined
  /** What the table in the README says where `default` alone doesn't. */
  defaultSays?: string
  /** Another setting whose value is taken where this one is absent. */
  inherits?: string
  meaning: string
  /** Ends the sentence "Allowed: …". */
  allowed: string
  /** Never printed; the rule's message says what is wrong without the value. */
  isSecret?: true
  rule: z.ZodType<Value>
}

/** A rule from a parser that gives undefined for what isn't allowed. */
function rule<Value>(parse: (text: string) => Value | undefined): z.ZodType<Value> {
  return z.string().transform((text, context) => {
    const value = parse(text)
    if (value !== undefined) return value
    context.addIssue('is not allowed')
    return z.NEVER
  })
}

function integerBetween(least: number, most: number): z.ZodType<number> {
  return rule((text) => {
    if (!/^\d{1,16}$/.test(text)) return undefined
    const value = Number(text)
    return value >= least && value <= most ? value : undefined
  })
}

// A century: past that, dates stop meaning anything and start to overflow.
const longestTtlSeconds = 36_500 * 86_400
const SHORT_TTL_SECONDS = 7 * 86_400

const durationAllowed = 'a whole number with s, m, h or d: 90s, 15m, 12h, 30d (at least 1s)'

function durationUpTo(mostSeconds: number): z.ZodType<number> {
  return rule((text) => {
    const seconds = parseDurationSeconds(text)
    return seconds !== undefined && seconds >= 1 && seconds <= mostSeconds ? seconds : undefined
  })
}

// The S3 user guide's multipart limits. Amazon itself takes more by now, most other servers don't.
const mostS3ObjectBytes = 5 * 1024 ** 4

const sizeAllowed = 'bytes, or a whole number with KiB, MiB, GiB or TiB: 500MiB'

const truth = z.enum(['true', 'false']).transform((text) => text === 'true')

function commaList(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

const leastKeyLength = 16
const keysAllowed = `keys separated by commas, each at least ${leastKeyLength} printable ASCII characters without spaces`

const apiKeyList = z.string().transform((text, context) => {
  const keys = commaList(text)
  for (const [index, key] of keys.entries()) {
    if (key.length < leastKeyLength) context.addIssue(`key ${index + 1} is ${key.length} characters long`)
    else if (!/^[\x21-\x7e]+$/.test(key))
      context.addIssue(`key ${index + 1} has a space or a non-ASCII character`)
  }
  return keys
})

function publicOrigin(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  const isBare = url.pathname === '/' && url.search === '' && url.hash === '' && url.username === ''
  return isBare && /^https?:$/.test(url.protocol) ? url.origin : undefined
}

function corsOrigins(text: string): '*' | string[] | undefined {
  if (text === '*') return '*'
  const origins = commaList(text)
  return origins.every((origin) => URL.canParse(origin) && new URL(origin).origin === origin)
    ? origins
    : undefined
}

/** `name:duration` or `name:never`, separated by commas, each name once. */
function retentionClasses(text: string): RetentionClass[] | undefined {
  const classes = commaList(text).map((item) => {
    const [, name, ttl] = /^([a-z0-9][a-z0-9_-]{0,31}):(\w+)$/.exec(item) ?? []
    const ttlSeconds = ttl === 'never' ? null : parseDurationSeconds(ttl ?? '')
    const isLife =
      ttlSeconds === null || (ttlSeconds !== undefined && ttlSeconds >= 1 && ttlSeconds <= longestTtlSeconds)
    return name === undefined || !isLife ? undefined : { name, ttlSeconds: ttlSeconds ?? null }
  })
  const isEveryOne = classes.every((one) => one !== undefined)
  const isUnique = new Set(classes.map((one) => one?.name)).size === classes.length
  return isEveryOne && isUnique && classes.length > 0 ? classes : undefined
}

/** What may not be undefined needs a default. */
type SettingOf<Value> = Setting<Value> & (undefined extends Value ? unknown : { default: string })

const settings: { [Field in keyof Settings]: SettingOf<Settings[Field]> } = {
  port: {
    name: 'PORT',
    default: '8080',
    meaning: 'Port to listen on; `0` takes any free one',
    allowed: 'a whole number from 0 to 65535',
    rule: integerBetween(0, 65_535),
  },
  host: {
    name: 'HOST',
    // Nobody's laptop should offer its uploads to the café's network by default.
    default: '127.0.0.1',
    meaning: 'Address to listen on; `0.0.0.0` or `::` to be reachable from other machines',
    allowed: 'an IP address or a host name',
    rule: rule((text) => (isIP(text) !== 0 || /^[A-Za-z0-9][A-Za-z0-9.-]*$/.test(text) ? text : undefined)),
  },
  publicUrl: {
    name: 'PUBLIC_URL',
    default: undefined,
    defaultSays: 'http://localhost:PORT',
    meaning: 'Where users and PASTA reach the server; begins every URL that is handed out',
    allowed: 'an http or https URL without path, query and password',
    rule: rule(publicOrigin),
  },
  dataDir: {
    name: 'DATA_DIR',
    default: './data',
    meaning: 'Folder of the embedded database and the local store',
    allowed: 'a path',
    rule: rule((text) => (text.includes('\0') ? undefined : text)),
  },
  databaseUrl: {
    name: 'DATABASE_URL',
    default: undefined,
    defaultSays: 'embedded PostgreSQL under DATA_DIR',
    meaning: 'PostgreSQL to use',
    allowed: 'a postgresql:// URL',
    isSecret: true,
    rule: z.string().refine((text) => URL.canParse(text) && /^postgres(ql)?:$/.test(new URL(text).protocol), {
      error: 'it is not such a URL',
    }),
  },
  store: {
    name: 'STORE',
    default: 'local',
    meaning: 'Where the bytes are kept: `local` is `DATA_DIR/store`, `s3` the bucket `S3_BUCKET`',
    allowed: 'local or s3',
    rule: z.enum(['local', 's3']),
  },
  s3Bucket: {
    name: 'S3_BUCKET',
    default: undefined,
    defaultSays: 'none',
    meaning: 'The bucket, which must exist; required with `STORE=s3`',
    allowed: 'a bucket name: 3 to 63 lowercase letters, digits, dots and hyphens',
    rule: rule((text) =>
      /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(text) && !text.includes('..') ? text : undefined,
    ),
  },
  s3Region: {
    name: 'S3_REGION',
    default: 'us-east-1',
    meaning: 'The region of the bucket, as its provider says: `auto` on R2, `garage` on Garage, any on Ceph',
    allowed: 'a region name such as us-west-2',
    rule: rule((text) => (/^[A-Za-z0-9-]+$/.test(text) ? text : undefined)),
  },
  s3Endpoint: {
    name: 'S3_ENDPOINT',
    default: undefined,
    defaultSays: 'Amazon S3 in S3_REGION',
    meaning: 'The S3 server, without the bucket; by https unless the network to it is yours alone',
    allowed: 'an http or https URL without path, query and password',
    rule: rule(publicOrigin),
  },
  s3Prefix: {
    name: 'S3_PREFIX',
    default: 'antipasto',
    meaning: 'Where in the bucket: `S3_PREFIX/tmp/` and `S3_PREFIX/objects/`, and nothing else',
    allowed: 'a path of letters, digits and . _ - with single slashes between, at most 200 characters',
    rule: rule((text) =>
      /^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/.test(text) &&
      text.length <= 200 &&
      !/(^|\/)\.\.?(\/|$)/.test(text)
        ? text
        : undefined,
    ),
  },
  s3ForcePathStyle: {
    name: 'S3_FORCE_PATH_STYLE',
    default: undefined,
    defaultSays: 'true with S3_ENDPOINT, else false',
    meaning: 'Whether the bucket is in the path of S3 URLs (`true`) or in their host name',
    allowed: 'true or false',
    rule: truth,
  },
  s3Checksums: {
    name: 'S3_CHECKSUMS',
    default: 'WHEN_REQUIRED',
    meaning: 'CRC checksums in S3 requests: `WHEN_SUPPORTED` for all, where the server knows them',
    allowed: 'WHEN_REQUIRED or WHEN_SUPPORTED',
    rule: z.enum(['WHEN_REQUIRED', 'WHEN_SUPPORTED']),
  },
  s3BufferBytes: {
    name: 'S3_BUFFER_BYTES',
    default: '256MiB',
    meaning: 'Memory for bytes on their way to S3, for all uploads together; one that finds none free waits',
    allowed: `${sizeAllowed}, at least 64MiB`,
    rule: rule((text) => {
      const bytes = parseByteCount(text)
      return bytes !== undefined && bytes >= 64 * 1024 ** 2 ? bytes : undefined
    }),
  },
  retrievalMode: {
    name: 'RETRIEVAL_MODE',
    default: 'proxy',
    meaning:
      'Retrieval URLs send the bytes (`proxy`), or with `STORE=s3` lead to the bucket (`redirect`): not for PASTA',
    allowed: 'proxy, or with STORE=s3 redirect',
    rule: z.enum(['proxy', 'redirect']),
  },
  uploadTtlSeconds: {
    name: 'UPLOAD_TTL',
    default: '30d',
    meaning: 'How long a finished upload is kept, from its start',
    allowed: durationAllowed,
    rule: durationUpTo(longestTtlSeconds),
  },
  sessionTtlSeconds: {
    name: 'SESSION_TTL',
    default: '7d',
    meaning: 'How long an unfinished upload may stay without a new byte',
    allowed: durationAllowed,
    rule: durationUpTo(longestTtlSeconds),
  },
  tombstoneTtlSeconds: {
    name: 'TOMBSTONE_TTL',
    default: '30d',
    meaning: 'How long the report of a deleted, failed or expired upload is kept',
    allowed: durationAllowed,
    rule: durationUpTo(longestTtlSeconds),
  },
  maxTtlSeconds: {
    name: 'MAX_TTL',
    default: '365d',
    meaning: 'The latest that `expires_at` may be moved to, from the start of the upload',
    allowed: durationAllowed,
    rule: durationUpTo(longestTtlSeconds),
  },
  maxFileBytes: {
    name: 'MAX_FILE_BYTES',
    default: '5TiB',
    meaning: 'The largest file that is taken; with `STORE=s3` at most 5TiB',
    allowed: sizeAllowed,
    rule: rule((text) => parseByteCount(text) || undefined),
  },
  minFreeBytes: {
    name: 'MIN_FREE_BYTES',
    default: '1GiB',
    meaning: 'Free space that uploads leave on the disk of `STORE=local`',
    allowed: sizeAllowed,
    rule: rule(parseByteCount),
  },
  apiUploadKeys: {
    name: 'API_UPLOAD_KEYS',
    default: '',
    defaultSays: 'none',
    meaning: 'API keys that may upload, besides those made by `npm run keys`',
    allowed: keysAllowed,
    isSecret: true,
    rule: apiKeyList,
  },
  apiReadKeys: {
    name: 'API_READ_KEYS',
    default: '',
    defaultSays: 'API_UPLOAD_KEYS',
    inherits: 'API_UPLOAD_KEYS',
    meaning: 'API keys that may read',
    allowed: keysAllowed,
    isSecret: true,
    rule: apiKeyList,
  },
  apiDeleteKeys: {
    name: 'API_DELETE_KEYS',
    default: '',
    defaultSays: 'API_UPLOAD_KEYS',
    inherits: 'API_UPLOAD_KEYS',
    meaning: 'API keys that may delete',
    allowed: keysAllowed,
    isSecret: true,
    rule: apiKeyList,
  },
  sweepCron: {
    name: 'SWEEP_CRON',
    default: '*/5 * * * *',
    meaning: 'When to expire and clean up',
    allowed: 'a cron expression such as */5 * * * *',
    rule: rule((text) => (isCronExpression(text) ? text : undefined)),
  },
  logLevel: {
    name: 'LOG_LEVEL',
    default: 'info',
    meaning: 'Least level that is logged',
    allowed: logLevels.join(', '),
    rule: z.enum(logLevels),
  },
  corsOrigins: {
    name: 'CORS_ORIGINS',
    default: '',
    defaultSays: 'none',
    meaning: 'Other sites whose pages may call the API from a browser, separated by commas; `*` for all',
    allowed: '* or origins separated by commas, each like https://data.example.org without a trailing slash',
    rule: rule(corsOrigins),
  },
  deleteStrict404: {
    name: 'DELETE_STRICT_404',
    default: 'true',
    meaning: 'DELETE of what does not exist: `true` answers 404, `false` 204',
    allowed: 'true or false',
    rule: truth,
  },
  anonRead: {
    name: 'ANON_READ',
    default: 'false',
    meaning: 'Reading everything without a key, for development',
    allowed: 'true or false',
    rule: truth,
  },
  noProgressTimeoutSeconds: {
    name: 'NO_PROGRESS_TIMEOUT',
    default: '60s',
    meaning: 'A request that brings no byte for so long is ended; what it brought is kept',
    allowed: `${durationAllowed}, at most 1d`,
    rule: durationUpTo(86_400),
  },
  retentionClasses: {
    name: 'RETENTION_CLASSES',
    default: undefined,
    defaultSays: 'staging:UPLOAD_TTL,short:7d,permanent:never',
    meaning:
      'How long the files of a package are kept, by its class: from their start, and from finalizing for all of it. The first is for packages that name none',
    allowed: 'name:duration or name:never, separated by commas: staging:30d,permanent:never',
    rule: rule(retentionClasses),
  },
  expiryNoticeSeconds: {
    name: 'EXPIRY_NOTICE',
    default: '3d',
    meaning: 'How long before the end of an upload the event `upload.expiring.v1` tells of it',
    allowed: durationAllowed,
    rule: durationUpTo(longestTtlSeconds),
  },
  webhookPrivateAddresses: {
    name: 'WEBHOOK_PRIVATE_ADDRESSES',
    default: 'false',
    meaning: 'Whether webhooks may lead to private and loopback addresses',
    allowed: 'true or false',
    rule: truth,
  },
}

/** Every wrong setting at once, a line each: its name, its value (not a secret's), what is allowed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(`The settings are wrong:\n${problems.map((problem) => `  ${problem}`).join('\n')}`)
    this.problems = problems
  }
}

/**
 * The configuration that `environment` asks for. A setting that is empty counts as absent.
 *
 * Relative paths start at `workingDir`. Throws ConfigError.
 */
export function readConfig(environment: Environment, workingDir: string = process.cwd()): Config {
  const given = (name: string) => environment[name]?.trim() || undefined
  const problems: string[] = []
  const values: Record<string, unknown> = {}

  for (const [field, setting] of Object.entries<Setting<unknown>>(settings)) {
    const own = given(setting.name)
    const inherited = setting.inherits === undefined ? undefined : given(setting.inherits)
    const text = own ?? inherited ?? setting.default
    const parsed = text === undefined ? undefined : setting.rule.safeParse(text)
    values[field] = parsed?.data
    // What is wrong with an inherited value is told once, where it was written.
    if (parsed?.error && (own !== undefined || inherited === undefined)) {
      problems.push(problemOf(setting, text, parsed.error))
    }
  }
  // Those that were refused above are undefined here, and are not told a second time.
  const written = (field: keyof Settings) => given(settings[field].name) ?? settings[field].default ?? ''
  problems.push(...contradictions(values as Partial<Settings>, written))
  if (problems.length > 0) throw new ConfigError(problems)

  // Each field of Config has its row, and each row's rule has just passed.
  const config = values as unknown as Settings
  return {
    ...config,
    retentionClasses: config.retentionClasses ?? [
      { name: 'staging', ttlSeconds: config.uploadTtlSeconds },
      { name: 'short', ttlSeconds: SHORT_TTL_SECONDS },
      { name: 'permanent', ttlSeconds: null },
    ],
    dataDir: resolve(workingDir, config.dataDir),
    publicUrl: config.publicUrl ?? (config.port === 0 ? undefined : `http://localhost:${config.port}`),
  }
}

/** What no setting says alone: values that don't go together. A field that is undefined says nothing. */
function contradictions(config: Partial<Settings>, written: (field: keyof Settings) => string): string[] {
  const { uploadTtlSeconds, maxTtlSeconds, store, retrievalMode, maxFileBytes } = config
  const problems: string[] = []
  if (uploadTtlSeconds !== undefined && maxTtlSeconds !== undefined && uploadTtlSeconds > maxTtlSeconds) {
    const { name, allowed } = settings.uploadTtlSeconds
    const shown = written('uploadTtlSeconds')
    problems.push(`${name}=${shown} is longer than MAX_TTL. Allowed: at most MAX_TTL; ${allowed}`)
  }
  // An empty one is missing; a wrong one has been told of.
  if (store === 's3' && written('s3Bucket') === '') {
    const { name, allowed } = settings.s3Bucket
    problems.push(`${name} is not set, and STORE=s3 needs it. Allowed: ${allowed}`)
  }
  if (store === 's3' && maxFileBytes !== undefined && maxFileBytes > mostS3ObjectBytes) {
    const { name, allowed } = settings.maxFileBytes
    const shown = written('maxFileBytes')
    problems.push(`${name}=${shown} is more than an object in S3 may have. Allowed: at most 5TiB; ${allowed}`)
  }
  if (store === 'local' && retrievalMode === 'redirect') {
    const { name, allowed } = settings.retrievalMode
    problems.push(`${name}=redirect needs STORE=s3. Allowed: ${allowed}`)
  }
  return problems
}

function problemOf(setting: Setting<unknown>, text: string | undefined, error: z.ZodError): string {
  const wrong = setting.isSecret
    ? `${setting.name}: ${error.issues.map((issue) => issue.message).join(', ')}.`
    : // A URL may have been given a password that it must not have.
      `${setting.name}=${JSON.stringify(text?.replace(/\/\/[^/]*@/, '//…@'))} is not allowed.`
  return `${wrong} Allowed: ${setting.allowed}`
}

/**
 * Keeps the AWS SDK's notice about Node 20 from every start: its version is pinned, so it is news to nobody who could act.
 *
 * Here, since the SDK takes no for an answer from the environment alone.
 */
export function silenceSdkNotice(): void {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
}

/** The environment with the settings of `.env` in `workingDir` beneath it: what is exported wins. */
export function loadEnvironment(workingDir: string = process.cwd()): Environment {
  const path = resolve(workingDir, '.env')
  const written = existsSync(path) ? parseEnv(readFileSync(path, 'utf8')) : {}
  return { ...written, ...process.env }
}

/**
 * Those of our commands' options that npm took for itself: `npm run sweep --dry-run` tells the command nothing of it, only
 * `npm run sweep -- --dry-run` does.
 */
export function optionsKeptByNpm(environment: Environment, names: readonly string[]): string[] {
  return names.filter((name) => environment[`npm_config_${name.replaceAll('-', '_')}`] !== undefined)
}

/** What the README's table says, row by row; a test holds the two together. */
export function configTable(): { name: string; default: string; meaning: string }[] {
  return Object.values<Setting<unknown>>(settings).map((setting) => ({
    name: setting.name,
    default: setting.defaultSays ?? setting.default ?? '',
    meaning: setting.meaning,
  }))
}
