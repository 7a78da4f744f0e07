// How an upload is cut into the parts of a multipart upload, and when the pieces of its tail are joined. Pure.
//
// A plan is a function of what the ledger says, so that whoever goes on after a crash cuts at the same bytes: a part
// number that is uploaded twice then has the same content both times.

const MEBIBYTE = 1024 ** 2

/** Every part but the last has at least so many bytes (S3 asks for 5 MiB). */
export const LEAST_PART_BYTES = 16 * MEBIBYTE

/** S3 takes 10,000 parts; the rest is for uploads whose length was told late. */
const PLANNED_PARTS = 9000
/** While the length isn't known, parts double after so many: 5 TiB end in 8,400 parts of at most 4 GiB. */
const PARTS_BEFORE_DOUBLING = 1000

/** So many pieces of a size become one. */
const JOINED_PIECES = 8
/** More are joined whatever their sizes: each costs a request when the part is put together. */
const MOST_PIECES = 64
/** Larger pieces stay as they are: there are few of them, and each joining sends their bytes again. */
const MOST_JOINED_BYTES = 8 * MEBIBYTE

/** Where the next part begins. */
export interface PartPosition {
  /** How many parts there are. */
  partCount: number
  /** How many bytes they have together. */
  positionBytes: number
  /** The last one's size; 0 when there is none. */
  lastPartBytes: number
  /** Of the whole upload; null while it isn't known. */
  sizeBytes: number | null
}

/**
 * How many bytes the next part has, should the upload not end before.
 *
 * Equal for all parts when the size is known from the start: some stores want that. Never less than the part before.
 */
export function nextPartBytes({ partCount, positionBytes, lastPartBytes, sizeBytes }: PartPosition): number {
  const wantedBytes =
    sizeBytes === null
      ? LEAST_PART_BYTES * 2 ** Math.floor(partCount / PARTS_BEFORE_DOUBLING)
      : (sizeBytes - positionBytes) / Math.max(1, PLANNED_PARTS - partCount)
  return Math.max(LEAST_PART_BYTES, lastPartBytes, Math.ceil(wantedBytes / MEBIBYTE) * MEBIBYTE)
}

/**
 * Which of the tail's pieces a new piece of `newBytes` swallows: those from the returned index on; `pieceBytes.length`
 * when none.
 *
 * Joins by eights, like the carry of a counter: a tail of n equal pieces is stored as a few, and each of its bytes is
 * sent about log8(n) times in all.
 */
export function joinFrom(pieceBytes: readonly number[], newBytes: number): number {
  let from = pieceBytes.length
  const smallFrom = runOfSmall(pieceBytes, from, MOST_JOINED_BYTES)
  if (from - smallFrom >= MOST_PIECES) return smallFrom
  let joinedBytes = newBytes
  for (;;) {
    const first = runOfSmall(pieceBytes, from, Math.min(joinedBytes, MOST_JOINED_BYTES))
    if (from - first < JOINED_PIECES - 1) return from
    for (const bytes of pieceBytes.slice(first, from)) joinedBytes += bytes
    from = first
  }
}

/** Where the run of pieces of at most `mostBytes` begins that ends before index `end`. */
function runOfSmall(pieceBytes: readonly number[], end: number, mostBytes: number): number {
  return pieceBytes.findLastIndex((bytes, index) => index < end && bytes > mostBytes) + 1
}
