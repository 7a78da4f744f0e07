// What a check says of a file, made fit for a report. Pure.

/** Longer words are cut. In characters as Unicode counts them. */
const MOST_CHARACTERS = 1000
/** Of these bytes the words are made: enough, whatever has to be left out of them. */
const MOST_BYTES = 16 * 1024

/** The first bytes of a stream; what comes after them is forgotten. */
export class FirstBytes {
  readonly #chunks: Uint8Array[] = []
  readonly #mostBytes: number
  #sizeBytes = 0

  constructor(mostBytes = MOST_BYTES) {
    this.#mostBytes = mostBytes
  }

  /** @returns whether there is room for more */
  add(bytes: Uint8Array): boolean {
    const kept = bytes.subarray(0, this.#mostBytes - this.#sizeBytes)
    // A copy: a stream's chunk may be a corner of a much larger one.
    if (kept.byteLength > 0) this.#chunks.push(Uint8Array.from(kept))
    this.#sizeBytes += kept.byteLength
    return this.#sizeBytes < this.#mostBytes
  }

  /** As UTF-8; what isn't becomes U+FFFD, and a character that the bound has cut is left out. */
  text(): string {
    return new TextDecoder().decode(Buffer.concat(this.#chunks), {
      stream: this.#sizeBytes === this.#mostBytes,
    })
  }
}

/** One line without control characters, and without those that turn the direction of what stands around them. */
export function wordsOf(text: string): string {
  const line = text
    .toWellFormed()
    .replaceAll(/\s+/gu, ' ')
    .replaceAll(/[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '')
    .trim()
  const characters = Array.from(line)
  return characters.length <= MOST_CHARACTERS ? line : `${characters.slice(0, MOST_CHARACTERS - 1).join('')}…`
}
