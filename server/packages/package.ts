// A package: what it is in which state, and its report. Pure.

import { AppError } from '../errors.js'
import type { Metadata } from './metadata.js'
import { endOf, isNever } from './retention.js'

export type PackageState = 'open' | 'finalized' | 'expired' | 'deleted'

export const PACKAGE_STATES: readonly PackageState[] = ['open', 'finalized', 'expired', 'deleted']

/** An index holds no longer ones. */
export const MOST_LABEL_BYTES = 1024

/** What a list shows when it isn't told. */
export const LIVING_PACKAGE_STATES: readonly PackageState[] = ['open', 'finalized']

/** What a client says of a package when it makes one. */
export interface PackageDescription {
  name: string
  label: string | null
  producer: string | null
  subject: string | null
  /** Null: the operator's first. */
  retentionClass: string | null
  metadata: Metadata
}

/** One package as Postgres has it at one moment. */
export interface Package {
  id: string
  owner: string
  /** A package past its end is `expired`, whether or not the sweep has been there. */
  state: PackageState
  name: string
  label: string | null
  producer: string | null
  subject: string | null
  retentionClass: string
  metadata: Metadata
  createdAt: Date
  finalizedAt: Date | null
  /** When it ends: an open one with the last of its files, or later. */
  endsAt: Date
  /** By the database's clock when it was read; negative when past. */
  endsInSeconds: number
  manifestSha256: string | null
}

/** How many files, and how they are. What was canceled or deleted, or has expired, is not among them. */
export interface Contents {
  ready: number
  /** Those for which no other file has come: nothing ready stands at the path they were sent for. */
  failed: number
  /** On their way: receiving or finalizing. */
  unfinished: number
  /** Of those that are ready. */
  sizeBytes: number
}

export interface Extension {
  at: Date
  by: string
  reason: string
  oldExpiresAt: Date
  newExpiresAt: Date
}

/** A file that keeps its package open. */
export interface Blocker {
  id: string
  path: string
  state: string
}

/** As lists have it. Snake_case, times in RFC 3339, digests in lowercase hex. */
export interface PackageSummary {
  id: string
  /** Another's, when it is shared with the reader. */
  owner: string
  state: PackageState
  name: string
  label: string | null
  producer: string | null
  subject: string | null
  retention_class: string
  metadata: Metadata
  created_at: string
  finalized_at: string | null
  /** Null: it is kept for ever. */
  expires_at: string | null
  /** Seconds left, never negative. */
  expires_in: number | null
  /** Null until it is finalized. */
  manifest_sha256: string | null
  manifest_url: string | null
  eml_url: string | null
  counts: { total: number; ready: number; failed: number; unfinished: number; bytes: number }
}

export interface ExtensionReport {
  at: string
  by: string
  reason: string
  old_expires_at: string
  new_expires_at: string
}

export interface PackageReport extends PackageSummary {
  retention: { class: string; extensions: ExtensionReport[] }
}

/** @param publicUrl the origin under which users reach this server, without a trailing slash */
export function packageSummary(found: Package, contents: Contents, publicUrl: string): PackageSummary {
  const { ready, failed, unfinished, sizeBytes } = contents
  const url = `${publicUrl}/packages/${found.id}`
  const isAlive = LIVING_PACKAGE_STATES.includes(found.state)
  return {
    id: found.id,
    owner: found.owner,
    state: found.state,
    name: found.name,
    label: found.label,
    producer: found.producer,
    subject: found.subject,
    retention_class: found.retentionClass,
    metadata: found.metadata,
    created_at: found.createdAt.toISOString(),
    finalized_at: found.finalizedAt?.toISOString() ?? null,
    expires_at: endOf(found.endsAt),
    expires_in: secondsLeft(found),
    manifest_sha256: found.manifestSha256,
    manifest_url: found.state === 'finalized' ? `${url}/manifest` : null,
    eml_url: isAlive ? `${url}/eml` : null,
    counts: { total: ready + failed + unfinished, ready, failed, unfinished, bytes: sizeBytes },
  }
}

export function packageReport(
  found: Package,
  contents: Contents,
  extensions: readonly Extension[],
  publicUrl: string,
): PackageReport {
  return {
    ...packageSummary(found, contents, publicUrl),
    retention: { class: found.retentionClass, extensions: extensions.map(extensionReport) },
  }
}

export function extensionReport({ at, by, reason, oldExpiresAt, newExpiresAt }: Extension): ExtensionReport {
  return {
    at: at.toISOString(),
    by,
    reason,
    old_expires_at: oldExpiresAt.toISOString(),
    new_expires_at: newExpiresAt.toISOString(),
  }
}

/** Whole seconds until the end, 0 when it has ended; null: there is none. */
export function secondsLeft({ state, endsAt, endsInSeconds }: Package): number | null {
  if (!LIVING_PACKAGE_STATES.includes(state)) return 0
  return isNever(endsAt) ? null : Math.max(0, Math.floor(endsInSeconds))
}

/** Refuses what has ended, at its end and not when the sweep comes by. @throws GONE */
export function assertPackageAlive(found: Package): void {
  if (LIVING_PACKAGE_STATES.includes(found.state)) return
  const what = found.state === 'deleted' ? 'was deleted' : `expired at ${found.endsAt.toISOString()}`
  throw new AppError('GONE', `Package ${found.id} ${what}. Make a new one and upload its files again.`, {
    details: { package_id: found.id, state: found.state },
  })
}

/** The same bytes for what is another's and what never was. */
export function noSuchPackage(): AppError {
  return new AppError('NOT_FOUND', 'There is no such package. GET /packages lists yours.')
}

const MOST_NAMED = 3

/**
 * Why a package can't be finalized yet.
 *
 * @param blockers the first ones, at most `count`
 */
export function notReadyError(blockers: readonly Blocker[], count: number): AppError {
  const named = blockers.slice(0, MOST_NAMED).map(({ path, state }) => `${path} (${state})`)
  const more = count > named.length ? ` and ${count - named.length} more` : ''
  return new AppError(
    'CONFLICT',
    `${count === 1 ? '1 file is' : `${count} files are`} not ready: ${named.join(', ')}${more}. ` +
      'Finish what is unfinished, send what failed again to the same path, or DELETE it; then finalize again.',
    { details: { not_ready: blockers, not_ready_count: count } },
  )
}

/**
 * Refuses an end that `found` can't be moved to.
 *
 * @param maxTtlSeconds the longest life, from the package's start
 * @throws CONFLICT when it has no end, or can't live longer; INVALID_INPUT
 */
export function assertExtension(found: Package, newExpiresAt: Date, maxTtlSeconds: number): void {
  if (isNever(found.endsAt)) {
    throw new AppError('CONFLICT', `Package ${found.id} is kept for ever. There is nothing to extend.`)
  }
  const latest = new Date(found.createdAt.getTime() + maxTtlSeconds * 1000)
  if (latest <= found.endsAt) {
    throw new AppError(
      'CONFLICT',
      `Package ${found.id} is kept until ${found.endsAt.toISOString()}, which can't be extended: ` +
        `${latest.toISOString()} is the latest that MAX_TTL allows from its start. Ask the operator to raise MAX_TTL, ` +
        'or make a package of another retention class.',
    )
  }
  if (newExpiresAt > found.endsAt && newExpiresAt <= latest) return
  throw new AppError(
    'INVALID_INPUT',
    `new_expires_at must be later than ${found.endsAt.toISOString()}, when the package ends now, and no later than ` +
      `${latest.toISOString()}, which is MAX_TTL from its start.`,
    { details: { expires_at: found.endsAt.toISOString(), latest_expires_at: latest.toISOString() } },
  )
}
