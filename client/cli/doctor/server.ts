// What `doctor` asks the server: whether it is one of ours, ready, on time, and speaks tus; and who we are to it.

import type { Antipasto } from '../../api/antipasto.js'
import type { Connection } from '../../api/connection.js'
import { ApiError, Unauthorized } from '../../api/errors.js'
import { askJson } from '../../api/json.js'
import type { Me } from '../../api/types.js'
import { formatBytes, formatDuration } from '../../format.js'
import { failureOf } from '../failure.js'
import { plainText } from '../plain-text.js'
import { type Check, fail, ok, warn } from './check.js'

const ROUND_TRIPS = 5
const SLOW_MS = 1_000
const SKEW_SECONDS = 60
const NEEDED_EXTENSIONS = ['creation', 'creation-with-upload', 'expiration', 'termination'] as const
const USEFUL_EXTENSIONS = ['checksum', 'concatenation'] as const
const SOON_SECONDS = 3_600

/** Asked once: what doesn't answer now is what one wants to know. */
const ONCE = { patienceSeconds: 0 }

export async function serverCheck(connection: Connection, signal: AbortSignal): Promise<Check> {
  try {
    const { info } = await askJson<{ info?: { title?: unknown; version?: unknown } }>(
      connection,
      '/openapi.json',
      {
        ...ONCE,
        signal,
      },
    )
    if (info?.title === 'antipasto') return ok('server', `antipasto ${plainText(String(info.version))}`)
    const advice = "Check the server's URL: something else answers there."
    return fail('server', `It calls itself ${plainText(String(info?.title))}, not antipasto.`, advice)
  } catch (error) {
    return refusal('server', error, signal)
  }
}

export async function readyCheck(connection: Connection, signal: AbortSignal): Promise<Check> {
  try {
    await connection.ask('/readyz', { ...ONCE, isAnonymous: true, signal })
    return ok('ready', 'database and store answer')
  } catch (error) {
    if (!(error instanceof ApiError)) return refusal('ready', error, signal)
    return fail(
      'ready',
      'The server says that it is not ready.',
      'Try again in a while, or tell the people who run it.',
    )
  }
}

/** Round trip and clock, from a few small answers. */
export async function timeChecks(connection: Connection, signal: AbortSignal): Promise<Check[]> {
  const trips: { ms: number; skewSeconds: number | null }[] = []
  try {
    for (let trip = 0; trip < ROUND_TRIPS; trip += 1) trips.push(await roundTrip(connection, signal))
  } catch (error) {
    return [refusal('round trip', error, signal)]
  }
  // The first one opens the connection.
  const ms = trips.map((trip) => trip.ms).sort((a, b) => a - b)[Math.floor(ROUND_TRIPS / 2)] ?? 0
  return [roundTripCheck(ms), clockCheck(trips.at(-1)?.skewSeconds ?? null)]
}

async function roundTrip(connection: Connection, signal: AbortSignal) {
  const startedAt = performance.now()
  const answer = await connection.ask('/healthz', { ...ONCE, isAnonymous: true, signal })
  await answer.body?.cancel()
  const ms = performance.now() - startedAt
  const date = Date.parse(answer.headers.get('date') ?? '')
  // The header has whole seconds, rounded down; it was written half a round trip ago.
  return { ms, skewSeconds: Number.isNaN(date) ? null : (Date.now() - ms / 2 - (date + 500)) / 1000 }
}

function roundTripCheck(ms: number): Check {
  const detail = `${Math.round(ms)} ms`
  if (ms < SLOW_MS) return ok('round trip', detail)
  return warn('round trip', detail, 'The way is long: send many small files with a larger --jobs.')
}

/** @param skewSeconds how far this clock is ahead of the server's */
export function clockCheck(skewSeconds: number | null): Check {
  if (skewSeconds === null)
    return warn('clock', 'the server tells no time', 'A proxy may have removed its Date header.')
  const amount = Math.abs(skewSeconds)
  if (amount < SKEW_SECONDS)
    return ok('clock', amount < 2 ? 'as the server’s' : `${Math.round(amount)} s off`)
  const detail = `this clock is ${formatDuration(amount)} ${skewSeconds > 0 ? 'ahead of' : 'behind'} the server's`
  return warn('clock', detail, 'Set it right: sign-ins and ends are read by it.')
}

export async function tusCheck(connection: Connection, signal: AbortSignal): Promise<Check> {
  try {
    const answer = await connection.ask('/uploads', {
      ...ONCE,
      method: 'OPTIONS',
      headers: { 'tus-resumable': '1.0.0' },
      signal,
    })
    await answer.body?.cancel()
    return tusVerdict((name) => answer.headers.get(name))
  } catch (error) {
    return refusal('tus', error, signal)
  }
}

export function tusVerdict(header: (name: string) => string | null): Check {
  const words = (name: string) => (header(name) ?? '').split(',').map((word) => word.trim())
  const advice = 'A proxy in between may answer OPTIONS, or remove headers: tell the people who run it.'
  if (!words('tus-version').includes('1.0.0'))
    return fail('tus', 'the server does not say that it speaks tus 1.0.0', advice)
  const extensions = words('tus-extension')
  const missing = NEEDED_EXTENSIONS.filter((name) => !extensions.includes(name))
  if (missing.length > 0) return fail('tus', `without ${missing.join(', ')}`, advice)
  const unused = USEFUL_EXTENSIONS.filter((name) => !extensions.includes(name))
  if (unused.length > 0)
    return warn('tus', `without ${unused.join(', ')}`, 'Large files go one piece after the other.')
  return ok('tus', `1.0.0 with ${extensions.join(', ')}`)
}

/** Who we are, and what of the limits is left. */
export async function accountChecks(
  antipasto: Antipasto,
  { hasToken, signal, now }: { hasToken: boolean; signal: AbortSignal; now: Date },
): Promise<Check[]> {
  if (!hasToken) {
    const advice = 'Sign in with `antipasto login`, or give a key by ANTIPASTO_TOKEN.'
    return [{ ...fail('credential', 'there is none', advice), isAboutRights: true }]
  }
  try {
    const me = await antipasto.me(signal)
    return [credentialCheck(me, now), limitsCheck(me)]
  } catch (error) {
    return [{ ...refusal('credential', error, signal), isAboutRights: error instanceof Unauthorized }]
  }
}

export function credentialCheck({ owner, scopes, expires_at: expiresAt }: Me, now: Date): Check {
  const seconds = expiresAt === null ? null : (new Date(expiresAt).getTime() - now.getTime()) / 1000
  const end = seconds === null ? 'it does not end' : `it ends in ${formatDuration(seconds)}`
  const detail = `${plainText(owner)}, may ${scopes.join(', ') || 'nothing'}; ${end}`
  if (!scopes.includes('upload')) {
    return {
      ...fail('credential', detail, 'It may not send files: ask for one with the scope "upload".'),
      isAboutRights: true,
    }
  }
  if (seconds !== null && seconds < SOON_SECONDS)
    return warn('credential', detail, 'Sign in again with `antipasto login`.')
  return ok('credential', detail)
}

export function limitsCheck({ usage, limits }: Me): Check {
  const parts = [
    usedWords(formatBytes(usage.bytes), limits.bytes === null ? null : formatBytes(limits.bytes), ''),
    usedWords(usage.files.toLocaleString('en'), limits.files?.toLocaleString('en') ?? null, ' files'),
    `files of at most ${formatBytes(limits.file_bytes)}`,
  ]
  const shares = [
    [usage.bytes, limits.bytes],
    [usage.files, limits.files],
    [usage.open_uploads, limits.open_uploads],
  ] as const
  const fullest = Math.max(...shares.map(([used, limit]) => (limit === null ? 0 : used / Math.max(1, limit))))
  const detail = parts.join(', ')
  if (fullest < 0.9) return ok('limits', detail)
  const advice =
    'Delete what PASTA has taken already (`antipasto ls`, `antipasto rm`), or ask the operator for more.'
  return fullest < 1 ? warn('limits', detail, advice) : fail('limits', detail, advice)
}

function usedWords(used: string, limit: string | null, unit: string): string {
  return limit === null ? `${used}${unit} used, no limit` : `${used} of ${limit}${unit} used`
}

/** Ctrl-C is no finding. */
export function refusal(name: string, error: unknown, signal: AbortSignal): Check {
  signal.throwIfAborted()
  const { message, hint } = failureOf(error)
  return fail(name, plainText(message), hint)
}
