// What the journal remembers, line by line, and what the lines mean together. Pure.
//
// A line is one JSON object. Whatever isn't one of ours is passed over: the torn end of a line that a dying process wrote,
// or what a newer version knows.

/** A file, as one sends it to one place: digest of label or package, absolute path, relative path. */
export type FileKey = string

interface Line {
  key: FileKey
  /** Of the local file: size, time of change, inode. */
  version: string
}

export type JournalRecord =
  /** Made for each state folder: makes idempotency keys that no other machine makes. */
  | { type: 'salt'; salt: string }
  /** Where its bytes go from now on. */
  | (Line & {
      type: 'began'
      generation: number
      url: string | null
      /** Of a file that is sent in several uploads at once: null where a part had not begun. */
      partUrls?: readonly (string | null)[]
    })
  /** The digest of the first `bytes` bytes. */
  | (Line & { type: 'progress'; bytes: number; sha256: string })
  | (Line & {
      type: 'done'
      generation: number
      url: string
      sha256: string | null
      expiresAt: string | null
    })
  /** Its upload has ended: the next one is another generation. */
  | (Line & { type: 'ended'; generation: number })

/** What is known of one file. */
export interface JournalEntry {
  version: string
  /** How many uploads of it ended before this one. */
  generation: number
  state: 'began' | 'done' | 'ended'
  url: string | null
  partUrls: readonly (string | null)[] | null
  /** While `began`: of its first bytes. */
  prefix: { bytes: number; sha256: string } | null
  /** Once `done`, where it was computed. */
  sha256: string | null
  expiresAt: string | null
}

export interface JournalState {
  salt: string | null
  entries: JournalEntries
}

export function emptyState(): JournalState {
  return { salt: null, entries: new JournalEntries() }
}

/** What is known of all files, each packed into one text: a hundred thousand of them as objects would fill 60 MB. */
export class JournalEntries {
  readonly #packed = new Map<FileKey, string>()

  get size(): number {
    return this.#packed.size
  }

  get(key: FileKey): JournalEntry | undefined {
    const packed = this.#packed.get(key)
    return packed === undefined ? undefined : unpacked(packed)
  }

  set(key: FileKey, entry: JournalEntry): void {
    const { version, generation, state, url, partUrls, prefix, sha256, expiresAt } = entry
    const members: Members = [version, generation, state, url, partUrls, prefix, sha256, expiresAt]
    this.#packed.set(key, JSON.stringify(members))
  }

  *[Symbol.iterator](): Generator<[FileKey, JournalEntry], void, undefined> {
    for (const [key, packed] of this.#packed) yield [key, unpacked(packed)]
  }
}

type Members = [
  JournalEntry['version'],
  JournalEntry['generation'],
  JournalEntry['state'],
  JournalEntry['url'],
  JournalEntry['partUrls'],
  JournalEntry['prefix'],
  JournalEntry['sha256'],
  JournalEntry['expiresAt'],
]

function unpacked(packed: string): JournalEntry {
  const [version, generation, state, url, partUrls, prefix, sha256, expiresAt] = JSON.parse(packed) as Members // made by `set`
  return { version, generation, state, url, partUrls, prefix, sha256, expiresAt }
}

/** Takes one record in. The first salt is the one that counts: two processes may have made one at once. */
export function apply(state: JournalState, record: JournalRecord): void {
  if (record.type === 'salt') {
    state.salt ??= record.salt
    return
  }
  const { key, version } = record
  const known = state.entries.get(key)
  if (record.type === 'progress') {
    // Of what is being sent now, and of nothing else.
    if (known?.state !== 'began' || known.version !== version) return
    state.entries.set(key, { ...known, prefix: { bytes: record.bytes, sha256: record.sha256 } })
    return
  }
  state.entries.set(key, {
    version,
    generation: record.generation,
    state: record.type,
    url: record.type === 'ended' ? null : record.url,
    partUrls: record.type === 'began' ? (record.partUrls ?? null) : null,
    prefix:
      record.type === 'began' && known !== undefined && isSameUpload(known, record) ? known.prefix : null,
    sha256: record.type === 'done' ? record.sha256 : null,
    expiresAt: record.type === 'done' ? record.expiresAt : null,
  })
}

/** A second `began` only tells more of the same upload. */
function isSameUpload(known: JournalEntry, record: Line & { generation: number }): boolean {
  return known.state === 'began' && known.version === record.version && known.generation === record.generation
}

export function encode(record: JournalRecord): string {
  return `${JSON.stringify(record)}\n`
}

/** Null for a line that says nothing to us. */
export function decode(line: string): JournalRecord | null {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return null
  }
  return isRecord(value) ? value : null
}

/** The fewest lines that mean `state`, without what is past its end at `now`. */
export function* compacted(state: JournalState, now: Date): Generator<JournalRecord, void, undefined> {
  if (state.salt !== null) yield { type: 'salt', salt: state.salt }
  for (const [key, entry] of state.entries) {
    const { version, generation, url } = entry
    if (entry.expiresAt !== null && new Date(entry.expiresAt) < now) {
      // What was sent is gone there, and its idempotency key is used up.
      yield { type: 'ended', key, version, generation: generation + 1 }
    } else if (entry.state === 'done' && url !== null) {
      const { sha256, expiresAt } = entry
      yield { type: 'done', key, version, generation, url, sha256, expiresAt }
    } else if (entry.state === 'ended') {
      yield { type: 'ended', key, version, generation }
    } else {
      const parts = entry.partUrls === null ? {} : { partUrls: entry.partUrls }
      yield { type: 'began', key, version, generation, url, ...parts }
      if (entry.prefix !== null) yield { type: 'progress', key, version, ...entry.prefix }
    }
  }
}

type Fields = Record<string, unknown>

function isRecord(value: unknown): value is JournalRecord {
  if (typeof value !== 'object' || value === null || !('type' in value)) return false
  const line = value as Fields
  if (line.type === 'salt') return isText(line.salt)
  if (!isText(line.key) || !isText(line.version)) return false
  switch (line.type) {
    case 'began':
      return isCount(line.generation) && isTextOrNull(line.url) && isPartUrls(line.partUrls)
    case 'progress':
      return isCount(line.bytes) && isText(line.sha256)
    case 'done':
      return (
        isCount(line.generation) &&
        isText(line.url) &&
        isTextOrNull(line.sha256) &&
        isTextOrNull(line.expiresAt)
      )
    case 'ended':
      return isCount(line.generation)
    default:
      return false
  }
}

function isText(value: unknown): boolean {
  return typeof value === 'string'
}

function isTextOrNull(value: unknown): boolean {
  return value === null || typeof value === 'string'
}

function isPartUrls(value: unknown): boolean {
  return value === undefined || (Array.isArray(value) && value.every(isTextOrNull))
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0
}
