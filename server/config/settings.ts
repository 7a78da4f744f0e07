// The one table of what can be set: name, default, meaning, rule.

import { isIP } from 'node:net'
import { validate as isCronExpression } from 'node-cron'
import { z } from 'zod'
import type { RetentionClass } from '../packages/retention.js'
import { parseByteCount } from '../units.js'
import {
  algorithms,
  algorithmsAllowed,
  apiKeyList,
  corsOrigins,
  durationAllowed,
  durationUpTo,
  integerBetween,
  keysAllowed,
  limitOf,
  longestTtlSeconds,
  path,
  proxiesAllowed,
  publicOrigin,
  type RateLimit,
  rateAllowed,
  rateLimit,
  retentionClasses,
  rule,
  type ScopeRule,
  scopeRules,
  sizeAllowed,
  type TrustedProxies,
  trustedOrigin,
  trustedProxies,
  trustedUrl,
  trustedUrlAllowed,
  truth,
  wholeNumber,
  word,
} from './rules.js'
import { otlpHeaders, otlpUrl, ratio, SAMPLERS, type TracingFields } from './tracing.js'

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const

/** What the server runs with. Times are whole seconds, sizes whole bytes. */
export interface Config extends TracingFields {
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
  authPreset: 'none' | 'edi'
  /** Absolute, as the other files. */
  authPublicKeyFile: string | undefined
  authJwksFile: string | undefined
  authJwksUrl: string | undefined
  /** Undefined: each key's own. */
  authAlgorithms: readonly string[] | undefined
  /** Never undefined when there is a key to check tokens with. */
  authIssuer: string | undefined
  authAudience: string | undefined
  authHostedDomain: string | undefined
  /** An origin. */
  authIamUrl: string | undefined
  authScopes: readonly ScopeRule[]
  apiKeysDir: string | undefined
  /** Undefined, as the other limits: none. */
  quotaBytes: number | undefined
  quotaFiles: number | undefined
  quotaOpenUploads: number | undefined
  rateLimitKey: RateLimit | undefined
  rateLimitAddress: RateLimit | undefined
  rateLimitStore: 'memory' | 'postgres'
  trustProxy: TrustedProxies
  minUploadRate: number | undefined
  maxConnectionsPerAddress: number | undefined
  /** An origin. Undefined: `publicUrl`. */
  retrievalUrl: string | undefined
  onReadyCommand: string | undefined
  onReadyUrl: string | undefined
  onReadyTimeoutSeconds: number
  eventTtlSeconds: number
  /** Undefined: there are no metrics. */
  metricsToken: string | undefined
  startTimeoutSeconds: number
  /** 0: none. */
  stopDelaySeconds: number
  stopTimeoutSeconds: number
  /** What a command gets of this server's own environment: PATH and LANG, no secret. */
  commandEnvironment: Readonly<Record<string, string>>
}

/** The fields as they are set, before what one says of another. */
export interface Settings extends Omit<Config, 'retentionClasses' | 'commandEnvironment'> {
  retentionClasses: readonly RetentionClass[] | undefined
}

export interface Setting<Value> {
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
  /** Never printed, and may be given as a file by NAME_FILE; the rule's message says what is wrong without the value. */
  isSecret?: true
  rule: z.ZodType<Value>
}

/** What may not be undefined needs a default. */
type SettingOf<Value> = Setting<Value> & (undefined extends Value ? unknown : { default: string })

export const settings: { [Field in keyof Settings]: SettingOf<Settings[Field]> } = {
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
    rule: path,
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
  authPreset: {
    name: 'AUTH_PRESET',
    default: 'none',
    meaning: "Sign-in by tokens as somebody's IAM makes them: `edi` sets all of `AUTH_*` but the key",
    allowed: 'none or edi',
    rule: z.enum(['none', 'edi']),
  },
  authPublicKeyFile: {
    name: 'AUTH_PUBLIC_KEY_FILE',
    default: undefined,
    defaultSays: 'none',
    meaning: 'PEM file with the public key, or the certificate, that JWTs are checked with',
    allowed: 'a path',
    rule: path,
  },
  authJwksFile: {
    name: 'AUTH_JWKS_FILE',
    default: undefined,
    defaultSays: 'none',
    meaning: 'The same as a JSON Web Key Set, for several keys',
    allowed: 'a path',
    rule: path,
  },
  authJwksUrl: {
    name: 'AUTH_JWKS_URL',
    default: undefined,
    defaultSays: 'none',
    meaning:
      'The same from the one who makes the tokens; read again when a token names a key that is not there',
    allowed: trustedUrlAllowed,
    rule: rule(trustedUrl),
  },
  authAlgorithms: {
    name: 'AUTH_ALGORITHMS',
    default: undefined,
    defaultSays: 'what each key is for',
    meaning: 'Algorithms that signatures of JWTs may have',
    allowed: algorithmsAllowed,
    rule: rule(algorithms),
  },
  authIssuer: {
    name: 'AUTH_ISSUER',
    default: undefined,
    defaultSays: 'none',
    meaning: '`iss` that JWTs must have; required with a key',
    allowed: 'the text as it stands in the token',
    rule: word,
  },
  authAudience: {
    name: 'AUTH_AUDIENCE',
    default: undefined,
    defaultSays: 'not checked',
    meaning: '`aud` that JWTs must have',
    allowed: 'the text as it stands in the token',
    rule: word,
  },
  authHostedDomain: {
    name: 'AUTH_HOSTED_DOMAIN',
    default: undefined,
    defaultSays: 'not checked',
    meaning: '`hd` that JWTs must have',
    allowed: 'a domain',
    rule: word,
  },
  authIamUrl: {
    name: 'AUTH_IAM_URL',
    default: undefined,
    defaultSays: 'none',
    meaning:
      "The IAM that signs people in from the page, and changes its own API keys for tokens (EDI's protocol)",
    allowed: 'an https URL without path, query and password; http only to localhost',
    rule: rule(trustedOrigin),
  },
  authScopes: {
    name: 'AUTH_SCOPES',
    default: '*:upload+read+delete',
    meaning:
      'Which principal of a JWT, a person or a group, gets which scopes; `*` is everybody with a token',
    allowed:
      'principal:scope+scope, separated by commas, of upload, read, delete, admin: *:read,EDI-1f…:upload+read+delete',
    rule: rule(scopeRules),
  },
  apiKeysDir: {
    name: 'API_KEYS_DIR',
    default: undefined,
    defaultSays: 'none',
    meaning:
      'Folder with a file of API keys for each tenant: its name is the owner, a line is `upload+read+delete KEY`',
    allowed: 'a path',
    rule: path,
  },
  quotaBytes: {
    name: 'QUOTA_BYTES',
    default: 'none',
    meaning: 'How many bytes an owner may have here, counted when an upload begins',
    allowed: `none, or ${sizeAllowed}`,
    rule: limitOf(parseByteCount),
  },
  quotaFiles: {
    name: 'QUOTA_FILES',
    default: 'none',
    meaning: 'How many files an owner may have here',
    allowed: 'none, or a whole number',
    rule: limitOf(wholeNumber),
  },
  quotaOpenUploads: {
    name: 'QUOTA_OPEN_UPLOADS',
    default: 'none',
    meaning: 'How many unfinished uploads an owner may have at once',
    allowed: 'none, or a whole number',
    rule: limitOf(wholeNumber),
  },
  rateLimitKey: {
    name: 'RATE_LIMIT_KEY',
    default: undefined,
    defaultSays: 'none',
    meaning: 'How many requests a credential may make',
    allowed: rateAllowed,
    rule: rule(rateLimit),
  },
  rateLimitAddress: {
    name: 'RATE_LIMIT_ADDRESS',
    default: undefined,
    defaultSays: 'none',
    meaning: 'How many requests may come from one address (an IPv6 network of /64), whoever makes them',
    allowed: rateAllowed,
    rule: rule(rateLimit),
  },
  rateLimitStore: {
    name: 'RATE_LIMIT_STORE',
    default: 'memory',
    meaning: 'Whether each instance counts requests for itself (`memory`) or all together (`postgres`)',
    allowed: 'memory or postgres',
    rule: z.enum(['memory', 'postgres']),
  },
  trustProxy: {
    name: 'TRUST_PROXY',
    default: 'none',
    meaning: "Whose `X-Forwarded-For` tells the client's address: the proxies before the server",
    allowed: proxiesAllowed,
    rule: rule(trustedProxies),
  },
  minUploadRate: {
    name: 'MIN_UPLOAD_RATE',
    default: '128',
    meaning:
      'Bytes a second that a body brings at least, over `NO_PROGRESS_TIMEOUT`; what it brought is kept',
    allowed: `none, or ${sizeAllowed}`,
    rule: limitOf(parseByteCount),
  },
  maxConnectionsPerAddress: {
    name: 'MAX_CONNECTIONS_PER_ADDRESS',
    default: '1000',
    meaning: 'Connections from one address at once; those of proxies in `TRUST_PROXY` are not counted',
    allowed: 'none, or a whole number',
    rule: limitOf(wholeNumber),
  },
  retrievalUrl: {
    name: 'RETRIEVAL_URL',
    default: undefined,
    defaultSays: 'PUBLIC_URL',
    meaning:
      'Another origin for retrieval URLs, which leads to this server, too; nothing else is served there',
    allowed: 'an http or https URL without path, query and password',
    rule: rule(publicOrigin),
  },
  onReadyCommand: {
    name: 'ON_READY_COMMAND',
    default: undefined,
    defaultSays: 'none',
    meaning:
      'Command that gets the bytes of each upload on its standard input, and refuses it with exit code 1',
    allowed: 'a command line for /bin/sh',
    rule: path,
  },
  onReadyUrl: {
    name: 'ON_READY_URL',
    default: undefined,
    defaultSays: 'none',
    meaning: 'The same as an http service: gets the bytes by POST, and refuses them with 422',
    allowed: 'an http or https URL',
    isSecret: true,
    rule: rule((text) => (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) ? text : undefined)),
  },
  onReadyTimeoutSeconds: {
    name: 'ON_READY_TIMEOUT',
    default: '15m',
    meaning: 'How long that may take; then it is tried again',
    allowed: durationAllowed,
    rule: durationUpTo(86_400),
  },
  eventTtlSeconds: {
    name: 'EVENT_TTL',
    default: '365d',
    meaning: 'How long events are kept, who deleted, shared and made what among them',
    allowed: durationAllowed,
    rule: durationUpTo(longestTtlSeconds),
  },
  metricsToken: {
    name: 'METRICS_TOKEN',
    default: undefined,
    defaultSays: 'none',
    meaning: 'Token with which Prometheus may read `/metrics`; without one there are no metrics',
    allowed: 'at least 16 characters without spaces',
    isSecret: true,
    rule: z.string().regex(/^[\x21-\x7e]{16,}$/, { error: 'it is shorter, or has other characters' }),
  },
  startTimeoutSeconds: {
    name: 'START_TIMEOUT',
    default: '60s',
    meaning: 'How long the start waits for a database and an S3 server that don’t answer yet',
    allowed: `${durationAllowed}, and at most 1d`,
    rule: durationUpTo(86_400),
  },
  stopDelaySeconds: {
    name: 'STOP_DELAY',
    default: '0s',
    meaning:
      'How long after SIGTERM requests are still taken while `/readyz` says 503: longer than your balancer needs to notice',
    allowed: `${durationAllowed.replace('1s', '0s')}, and at most 1h`,
    rule: durationUpTo(3_600, 0),
  },
  stopTimeoutSeconds: {
    name: 'STOP_TIMEOUT',
    default: '20s',
    meaning:
      'How long running requests may take to end then; uploads are paused after a quarter of it, downloads cut at its end',
    allowed: `${durationAllowed}, and at most 1d`,
    rule: durationUpTo(86_400),
  },
  otelDisabled: {
    name: 'OTEL_SDK_DISABLED',
    default: 'false',
    meaning: 'Traces nothing, whatever else is set',
    allowed: 'true or false',
    rule: truth,
  },
  otlpEndpoint: {
    name: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    default: undefined,
    defaultSays: 'none',
    meaning: 'OpenTelemetry collector, to whose `/v1/traces` traces are sent; without one nothing is traced',
    allowed: 'an http or https URL without query and password, as http://localhost:4318',
    rule: rule(otlpUrl),
  },
  otlpTracesEndpoint: {
    name: 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
    default: undefined,
    defaultSays: 'none',
    meaning: 'The same as the whole URL, where it is another one',
    allowed: 'an http or https URL without query and password, as http://localhost:4318/v1/traces',
    rule: rule(otlpUrl),
  },
  otlpHeaders: {
    name: 'OTEL_EXPORTER_OTLP_HEADERS',
    default: undefined,
    defaultSays: 'none',
    meaning: 'Headers for the collector, its key for example',
    allowed: 'name=value, separated by commas; values percent-encoded',
    isSecret: true,
    rule: rule(otlpHeaders),
  },
  otelServiceName: {
    name: 'OTEL_SERVICE_NAME',
    default: 'antipasto',
    meaning: 'What this server is called in traces',
    allowed: 'the name without spaces',
    rule: word,
  },
  tracesSampler: {
    name: 'OTEL_TRACES_SAMPLER',
    default: 'parentbased_always_on',
    meaning:
      'Which requests are traced; `parentbased_…` does as the caller says in `traceparent`, if it says',
    allowed: SAMPLERS.join(', '),
    rule: z.enum(SAMPLERS),
  },
  tracesSampledRatio: {
    name: 'OTEL_TRACES_SAMPLER_ARG',
    default: '1',
    meaning: 'Share of the requests that `traceidratio` and `parentbased_traceidratio` trace',
    allowed: 'a number from 0 to 1',
    rule: rule(ratio),
  },
}
