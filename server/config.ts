// The only reader of the environment. A wrong value stops the start with its name.

import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import type { z } from 'zod'
import { type Config, type Setting, type Settings, settings } from './config/settings.js'

export type { Config } from './config/settings.js'

export type Environment = Readonly<Record<string, string | undefined>>

// The S3 user guide's multipart limits. Amazon itself takes more by now, most other servers don't.
const mostS3ObjectBytes = 5 * 1024 ** 4

const SHORT_TTL_SECONDS = 7 * 86_400

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
  const problems: string[] = []
  const given = readerOf(environment, workingDir, problems)
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
  const absolute = (path: string | undefined) => (path === undefined ? undefined : resolve(workingDir, path))
  return {
    ...withPreset(config),
    authPublicKeyFile: absolute(config.authPublicKeyFile),
    authJwksFile: absolute(config.authJwksFile),
    apiKeysDir: absolute(config.apiKeysDir),
    retentionClasses: config.retentionClasses ?? [
      { name: 'staging', ttlSeconds: config.uploadTtlSeconds },
      { name: 'short', ttlSeconds: SHORT_TTL_SECONDS },
      { name: 'permanent', ttlSeconds: null },
    ],
    commandEnvironment: {
      PATH: environment.PATH ?? '/usr/local/bin:/usr/bin:/bin',
      LANG: environment.LANG ?? 'C.UTF-8',
    },
    dataDir: resolve(workingDir, config.dataDir),
    publicUrl: config.publicUrl ?? (config.port === 0 ? undefined : `http://localhost:${config.port}`),
  }
}

/**
 * Reads a setting from the environment, a secret also from the file that NAME_FILE names: what stands in the environment is
 * seen by whoever sees the process. Each once, so that a file's trouble is told once.
 */
function readerOf(
  environment: Environment,
  workingDir: string,
  problems: string[],
): (name: string) => string | undefined {
  const secrets = new Set(
    Object.values<Setting<unknown>>(settings).flatMap(({ name, isSecret }) => (isSecret ? [name] : [])),
  )
  const read = new Map<string, string | undefined>()
  const readOnce = (name: string): string | undefined => {
    const value = environment[name]?.trim() || undefined
    const file = secrets.has(name) ? environment[`${name}_FILE`]?.trim() || undefined : undefined
    if (file === undefined) return value
    if (value !== undefined) {
      problems.push(`${name} and ${name}_FILE are both set. Allowed: one of them`)
      return undefined
    }
    try {
      return readFileSync(resolve(workingDir, file), 'utf8').trim() || undefined
    } catch (error) {
      const reason = error instanceof Error && 'code' in error ? String(error.code) : 'an error'
      problems.push(
        `${name}_FILE=${JSON.stringify(file)} can't be read (${reason}). Allowed: a file with the value`,
      )
      return undefined
    }
  }
  return (name) => {
    if (!read.has(name)) read.set(name, readOnce(name))
    return read.get(name)
  }
}

/** How EDI's IAM makes tokens: facts that no operator should have to look up. What is set wins. */
const PRESETS = {
  none: {},
  edi: {
    authIssuer: 'https://auth.edirepository.org',
    authHostedDomain: 'edirepository.org',
    authAlgorithms: ['ES256'],
    authIamUrl: 'https://auth.edirepository.org',
  },
} satisfies Record<Config['authPreset'], Partial<Config>>

function withPreset(config: Settings): Settings {
  const preset: Partial<Config> = PRESETS[config.authPreset]
  return {
    ...config,
    authIssuer: config.authIssuer ?? preset.authIssuer,
    authHostedDomain: config.authHostedDomain ?? preset.authHostedDomain,
    authAlgorithms: config.authAlgorithms ?? preset.authAlgorithms,
    authIamUrl: config.authIamUrl ?? preset.authIamUrl,
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
  return [...problems, ...signInContradictions(config, written)]
}

function signInContradictions(
  config: Partial<Settings>,
  written: (field: keyof Settings) => string,
): string[] {
  const keys = ['authPublicKeyFile', 'authJwksFile', 'authJwksUrl'] as const
  const hasKey = keys.some((field) => written(field) !== '')
  const keyNames = keys.map((field) => settings[field].name).join(', ')
  const checks = ['authIssuer', 'authAudience', 'authHostedDomain', 'authIamUrl', 'authAlgorithms'] as const
  const problems: string[] = []
  const idle = checks.find((field) => written(field) !== '')
  if (!hasKey && (config.authPreset === 'edi' || idle !== undefined)) {
    const why = config.authPreset === 'edi' ? 'AUTH_PRESET=edi' : `${settings[idle ?? 'authIssuer'].name}`
    problems.push(`${why} needs a key to check tokens with. Allowed: one of ${keyNames}`)
  }
  if (hasKey && config.authPreset === 'none' && written('authIssuer') === '') {
    problems.push(`AUTH_ISSUER is not set, and tokens need it. Allowed: ${settings.authIssuer.allowed}`)
  }
  if (written('onReadyCommand') !== '' && written('onReadyUrl') !== '') {
    problems.push('ON_READY_COMMAND and ON_READY_URL are both set. Allowed: one of them')
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
