// What each client will do, file by file. Pure: the same seed plans the same, however fast the files then go.

import { type Random, randomFrom } from '../random.js'

/** `tus`: our own client; `tus-js`: tus-js-client; `ranges`: a JSON session; `body`: one POST; `parts`: tus's concatenation. */
export const WAYS = ['tus', 'tus-js', 'ranges', 'body', 'parts'] as const
export type Way = (typeof WAYS)[number]

/** What happens to a file while it comes, or after. */
export type Fate =
  | { readonly kind: 'kept' }
  | {
      /** `undone`: deleted so that it can be restored, and restored. `left`: so deleted, and not restored. */
      readonly kind: 'deleted' | 'undone' | 'left'
      /** When so much of it has been sent; 1: when it is ready. */
      readonly atShare: number
      /** By another client's connection, while the bytes are still under way. */
      readonly isByAnother: boolean
    }

export interface FilePlan {
  /** Unique in all runs of a seed: its own name for the upload, and what its content is made of. */
  readonly key: string
  readonly way: Way
  readonly sizeBytes: number
  /** Digests that are declared at the beginning; `wrong`: of another file. */
  readonly declares: 'nothing' | 'right' | 'wrong'
  /** Of one request. */
  readonly chunkBytes: number
  /** tus: sends Upload-Checksum with each request, the first of them wrong. */
  readonly checksBodies: boolean
  /** Whether its size is told only with its last bytes. */
  readonly isDeferred: boolean
  /** tus, ranges: with an Idempotency-Key. */
  readonly isRepeatable: boolean
  /** Of the package it joins. */
  readonly label: string | null
  /** In the middle of its bytes. */
  readonly pauseMs: number
  readonly fate: Fate
  /** Before the next one. */
  readonly restMs: number
}

const KIB = 1024
const MIB = 1024 * KIB
const SMALL_BYTES = 128 * KIB

/** So many files of a client share a package, which is finalized then. */
export const FILES_PER_PACKAGE = 8

/** Which file of which client is planned. */
export interface FileNumber {
  readonly seed: number
  /** Counted from 0. */
  readonly client: number
  /** Its so-and-so-manieth file, counted from 0. */
  readonly nth: number
  /** No file of it is larger: it may have little room. */
  readonly mostBytes: number
}

export function planFile({ seed, client, nth, mostBytes }: FileNumber): FilePlan {
  // Each file has chance of its own: what one draws doesn't move the next.
  const random = randomFrom(seed).fork(`file ${nth} of client ${client}`)
  const sizeBytes = drawSize(random) % (mostBytes + 1)
  const way = drawWay(random, sizeBytes)
  const isWhole = way === 'body'
  const declared = random.next()
  const isRepeatable = way !== 'tus-js' && random.next() < 0.6
  return {
    key: `${seed}-${client}-${nth}`,
    way,
    sizeBytes,
    declares: declared < 0.45 ? 'nothing' : declared < 0.92 || way === 'parts' ? 'right' : 'wrong',
    chunkBytes: Math.max(1, Math.ceil(sizeBytes / random.integer(1, 5))),
    checksBodies: way === 'tus' && random.next() < 0.25,
    isDeferred: (way === 'tus' || way === 'ranges') && random.next() < 0.25,
    isRepeatable,
    // Whoever repeats a creation without a key meets its own lost upload at the same path. Large files are tidied away, which a
    // finalized package doesn't allow.
    label:
      isRepeatable && sizeBytes <= SMALL_BYTES
        ? `survey-${seed}-${client}-${Math.floor(nth / FILES_PER_PACKAGE)}`
        : null,
    pauseMs: random.next() < 0.2 ? random.integer(100, 1500) : 0,
    fate: way === 'tus-js' || way === 'parts' ? { kind: 'kept' } : drawFate(random, isWhole),
    restMs: random.integer(0, 150),
  }
}

/** Many small ones, some larger, and a few that are more than two parts of S3. */
function drawSize(random: Random): number {
  const share = random.next()
  if (share < 0.04) return 0
  if (share < 0.7) return random.integer(1, SMALL_BYTES)
  if (share < 0.93) return random.integer(SMALL_BYTES + 1, 8 * MIB)
  return random.integer(17 * MIB, 36 * MIB)
}

function drawWay(random: Random, sizeBytes: number): Way {
  const share = random.next()
  if (share < 0.4) return 'tus'
  if (share < 0.7) return 'ranges'
  if (share < 0.82) return 'body'
  // What its library holds in memory, and what concatenation makes of little.
  if (share < 0.93) return sizeBytes <= 8 * MIB ? 'tus-js' : 'tus'
  return sizeBytes > 64 * KIB ? 'parts' : 'tus'
}

function drawFate(random: Random, isWhole: boolean): Fate {
  const share = random.next()
  const atShare = isWhole || random.next() < 0.35 ? 1 : random.next() * 0.9
  const isByAnother = random.next() < 0.5
  if (share < 0.8) return { kind: 'kept' }
  if (share < 0.88) return { kind: 'deleted', atShare, isByAnother }
  return { kind: share < 0.96 ? 'undone' : 'left', atShare, isByAnother }
}
