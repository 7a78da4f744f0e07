// Of which parts of a multipart upload an object is put together that is made of other objects. Pure.
//
// S3 copies ranges by itself, but each part, save the last, has at least 5 MiB. Where sources are smaller, their bytes are
// gathered: read, and sent again as one part.

import { AppError } from '../errors.js'
import { type ByteRange, type ComposeSource, MOST_COMPOSE_SOURCES } from './store.js'

const MEBIBYTE = 1024 ** 2

/** S3's own bound. Of a source that isn't larger, it copies all or nothing. */
export const LEAST_COPY_BYTES = 5 * MEBIBYTE

/** Copies are about as large as this: large enough to be few, small enough to be soon tried again. */
const USUAL_COPY_BYTES = 512 * MEBIBYTE
/** S3 takes 10,000 parts. Each source may add one that isn't full. */
const FULL_PARTS = 9000

/** Some bytes of a source. */
export interface SourceRange {
  key: string
  range: ByteRange
}

/** One part, without its number: their order is that of the bytes. */
export type PlannedPart = CopiedPart | GatheredPart

/** Copied by S3. `isWhole`: it is all of the source, and no range need be named. */
export interface CopiedPart extends SourceRange {
  kind: 'copy'
  isWhole: boolean
}

/** Read from its sources and sent, or sent as the whole object where it is the only part: fewer than 10 MiB. */
export interface GatheredPart {
  kind: 'gather'
  ranges: SourceRange[]
}

/**
 * The parts of an object that is made of `sources`, in order; none for an empty one.
 *
 * Read again are only sources smaller than 5 MiB, and each time what fills up a part from the next source.
 *
 * @throws INVALID_INPUT for too many sources
 */
export function planComposition(sources: readonly ComposeSource[]): PlannedPart[] {
  if (sources.length > MOST_COMPOSE_SOURCES) {
    throw new AppError(
      'INVALID_INPUT',
      `An upload is made of at most ${MOST_COMPOSE_SOURCES} others. Use fewer, larger ones.`,
    )
  }
  const wholeBytes = sources.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const mostBytes = Math.max(USUAL_COPY_BYTES, Math.ceil(wholeBytes / FULL_PARTS))
  const left = sources.filter(({ sizeBytes }) => sizeBytes > 0).map(restOf)
  // A whole that is smaller than a part can be is one object, sent at once.
  if (wholeBytes < LEAST_COPY_BYTES) return left.length === 0 ? [] : [gatherFrom(left)]
  const parts: PlannedPart[] = []
  for (let first = left[0]; first !== undefined; first = left[0]) {
    const isSmall = first.end - first.start < LEAST_COPY_BYTES
    if (isSmall && left.length > 1) {
      parts.push(gatherFrom(left))
    } else {
      parts.push(...copiesOf(first, mostBytes))
      left.shift()
    }
  }
  return parts
}

/** What isn't in any part yet of one source. */
interface Rest {
  key: string
  sizeBytes: number
  start: number
  end: number
}

function restOf({ key, sizeBytes }: ComposeSource): Rest {
  return { key, sizeBytes, start: 0, end: sizeBytes }
}

/** Takes a part's bytes from the beginning of `left`. */
function gatherFrom(left: Rest[]): GatheredPart {
  const ranges: SourceRange[] = []
  let missingBytes = LEAST_COPY_BYTES
  for (let first = left[0]; first !== undefined && missingBytes > 0; first = left[0]) {
    const end = first.start + bytesToTake(first, missingBytes, left.length === 1)
    ranges.push({ key: first.key, range: { start: first.start, end } })
    missingBytes -= end - first.start
    if (end === first.end) left.shift()
    else left[0] = { ...first, start: end }
  }
  return { kind: 'gather', ranges }
}

/** As many as are missing when the rest can be copied; otherwise all, so that the rest need not be gathered again. */
function bytesToTake({ start, end, sizeBytes }: Rest, missingBytes: number, isLast: boolean): number {
  const lengthBytes = end - start
  const restBytes = lengthBytes - missingBytes
  const canCopyRest = sizeBytes > LEAST_COPY_BYTES && (isLast ? restBytes > 0 : restBytes >= LEAST_COPY_BYTES)
  return canCopyRest ? missingBytes : lengthBytes
}

/** Equal cuts: the last of them is no crumb, which couldn't be a part if another source follows. */
function copiesOf({ key, sizeBytes, start, end }: Rest, mostBytes: number): CopiedPart[] {
  const count = Math.ceil((end - start) / mostBytes)
  const cut = (index: number) => start + Math.floor(((end - start) * index) / count)
  return Array.from({ length: count }, (_, index) => {
    const range = { start: cut(index), end: cut(index + 1) }
    return { kind: 'copy', key, range, isWhole: range.end - range.start === sizeBytes }
  })
}
