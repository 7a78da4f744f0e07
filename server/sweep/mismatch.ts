// What the records and the store can disagree on, and how it is said. Pure.

import type { Room } from '../storage/store.js'

/** An upload as an operator has to know it: whose, which file, in which package. */
export interface AffectedUpload {
  id: string
  owner: string
  filename: string | null
  packageId: string | null
  /** The package is finalized: its files don't change any more, not even to `failed`. */
  isFinalized: boolean
}

/** What an owner has, as `owner_usage` says it or as it is counted. */
export interface UsageCount {
  bytes: number
  files: number
  openUploads: number
}

export type Mismatch =
  | {
      /** Recorded content whose object is gone, has another size, or other bytes (`digests` only). */
      kind: 'lost'
      sha256: string
      objectKey: string
      sizeBytes: number
      /** Null: there is no object. */
      storedBytes: number | null
      uploadCount: number
      /** Some of them. */
      uploads: AffectedUpload[]
    }
  /** A ready upload of content that no record leads to. */
  | { kind: 'blobless'; sha256: string | null; upload: AffectedUpload }
  | { kind: 'unfinished'; upload: AffectedUpload; offsetBytes: number; isRestorable: boolean }
  | { kind: 'unreferenced'; sha256: string; objectKey: string; sizeBytes: number }
  | { kind: 'usage'; owner: string; recorded: UsageCount; counted: UsageCount }
  /** What no record knows; a young one may belong to a request that is running. */
  | { kind: 'stray'; room: Room; key: string; sizeBytes: number; modifiedAt: string; isOld: boolean }

export type MismatchKind = Mismatch['kind']

/**
 * What was done about a mismatch: nothing, all that is to be done, what can be done while a package is finalized, or nothing
 * since a request holds the upload.
 */
export type Outcome = 'told' | 'marked' | 'kept-finalized' | 'held'

export interface ReconcileSummary {
  /** How many of each were told. */
  found: Record<MismatchKind, number>
  /** Strays that may belong to a running request, or to whatever was stored after the database was backed up. */
  youngStrays: number
  /** Recorded objects, and things in the store, that were compared. */
  recordedObjects: number
  storedItems: number
  /** Mismatches that still stand; 0: everything matches, or was marked. */
  standing: number
}

export function noneFound(): Record<MismatchKind, number> {
  return { lost: 0, blobless: 0, unfinished: 0, unreferenced: 0, usage: 0, stray: 0 }
}

/** One line in plain words, with what follows from it. */
export function sentenceOf(mismatch: Mismatch, outcome: Outcome): string {
  const done = outcome === 'told' ? undefined : DONE[mismatch.kind][outcome]
  return done === undefined ? factOf(mismatch) : `${factOf(mismatch)} ${done}`
}

function factOf(mismatch: Mismatch): string {
  switch (mismatch.kind) {
    case 'lost':
      return `LOST object ${mismatch.objectKey} (${mismatch.sizeBytes} bytes, sha256 ${mismatch.sha256}): ${stateOf(mismatch)}. ${usersOf(mismatch)}`
    case 'blobless':
      return `LOST content ${mismatch.sha256 ?? 'without a digest'}: no record leads to its object. It is ${nameOf(mismatch.upload)}.`
    case 'unfinished':
      return (
        `UNFINISHED ${nameOf(mismatch.upload)}: its ${mismatch.offsetBytes} acknowledged bytes are not in the store.` +
        (mismatch.isRestorable ? ' It was canceled, and could be restored.' : '')
      )
    case 'unreferenced':
      return `UNREFERENCED object ${mismatch.objectKey} (${mismatch.sizeBytes} bytes, sha256 ${mismatch.sha256}): no upload has this content.`
    case 'usage':
      return `USAGE of ${mismatch.owner}: recorded ${usageOf(mismatch.recorded)}; counted ${usageOf(mismatch.counted)}.`
    case 'stray': {
      const when = mismatch.isOld
        ? 'The sweep deletes it'
        : 'It is young: the sweep deletes it when it is a day old'
      return `STRAY ${mismatch.room} ${mismatch.key} (${mismatch.sizeBytes} bytes, ${mismatch.modifiedAt}): no record knows it. ${when}.`
    }
  }
}

function stateOf({ storedBytes, sizeBytes }: { storedBytes: number | null; sizeBytes: number }): string {
  if (storedBytes === null) return 'not in the store'
  return storedBytes === sizeBytes ? 'it has other bytes' : `${storedBytes} bytes are in the store`
}

function usersOf({ uploads, uploadCount }: { uploads: AffectedUpload[]; uploadCount: number }): string {
  if (uploadCount === 0) return 'No upload has it.'
  const others = uploadCount - uploads.length
  return `It is ${uploads.map(nameOf).join('; ')}${others > 0 ? `; and ${others} more` : ''}.`
}

function nameOf({ id, owner, filename, packageId, isFinalized }: AffectedUpload): string {
  const place =
    packageId === null ? '' : ` in ${isFinalized ? 'the finalized package' : 'package'} ${packageId}`
  return `upload ${id}${filename === null ? '' : ` ${JSON.stringify(filename)}`} of ${owner}${place}`
}

function usageOf({ bytes, files, openUploads }: UsageCount): string {
  return `${bytes} bytes, ${files} files, ${openUploads} unfinished`
}

const FAILED = 'Marked: it is failed, and its owner is told to upload it again.'
const KEPT =
  'It is in a finalized package, which never changes: whoever uploads the same file again gives it its bytes back.'

const HELD =
  'Not marked: a request holds it. It will notice, or else lets go within ten seconds: run this again then.'

const DONE: Record<MismatchKind, Partial<Record<Outcome, string>>> = {
  lost: { marked: FAILED, 'kept-finalized': KEPT },
  blobless: { marked: FAILED, 'kept-finalized': KEPT },
  unfinished: { marked: FAILED, held: HELD },
  unreferenced: { marked: 'Given up: it is deleted.' },
  usage: { marked: 'Set to what was counted.' },
  stray: {},
}

const NAMES: Record<MismatchKind, string> = {
  lost: 'lost objects',
  blobless: 'uploads without a record of their content',
  unfinished: 'unfinished uploads without their bytes',
  unreferenced: 'objects that no upload has',
  usage: 'usages that do not add up',
  stray: 'things that no record knows',
}

/** The last lines: counts, and what to do. */
export function summaryLines({
  found,
  youngStrays,
  recordedObjects,
  storedItems,
  standing,
}: ReconcileSummary): string[] {
  const counts = Object.entries(found).filter(([, count]) => count > 0) as [MismatchKind, number][]
  const compared = `Compared ${recordedObjects} recorded objects with ${storedItems} things in the store.`
  const young =
    youngStrays === 0
      ? []
      : [
          `${youngStrays} young things that no record knows: requests under way, or what was stored after a restored backup was made.`,
        ]
  if (counts.length === 0) return [compared, ...young, 'Everything matches.']
  const told = counts.map(([kind, count]) => `${count} ${NAMES[kind]}`).join(', ')
  const next =
    standing === 0
      ? 'All of it is marked.'
      : 'docs/backup.md says what to do with each; --mark writes into the records what is lost.'
  return [compared, ...young, `Found: ${told}. ${next}`]
}
