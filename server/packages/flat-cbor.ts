// Core deterministic CBOR (RFC 8949 §4.2.1) of what a manifest has thousands of: objects of text and counts. Pure.
//
// cborg encodes and sorts the keys of every object anew: 200 µs for a file of a manifest, of which a package may have 10,000.
// Here each key is encoded once, each set of keys sorted once, and all is written into one buffer.

/** Counts are whole numbers from 0 to 2^53 - 1. */
export type Flat = string | number | { readonly [name: string]: Flat }

const UNSIGNED = 0 << 5
const TEXT = 3 << 5
export const ARRAY = 4 << 5
export const MAP = 5 << 5

const LONGEST_HEAD_BYTES = 9
const MOST_BYTES_OF_CHARACTER = 3
const FIRST_BUFFER_BYTES = 16 * 1024

interface Key {
  name: string
  bytes: Buffer
}

/** By the names as they came. Only shapes that the code writes come here, so there are few. */
const sortedKeys = new Map<string, readonly Key[]>()

/** The encodings of `values`, one after the other. */
export function encodeFlat(values: readonly Flat[]): Buffer {
  const writer = new Writer()
  for (const value of values) write(writer, value)
  return writer.bytes()
}

/** RFC 8949 §3: the major type, and a count in the fewest bytes that hold it. */
export function encodeHead(major: number, count: number): Buffer {
  const writer = new Writer()
  writer.head(major, count)
  return writer.bytes()
}

function write(writer: Writer, value: Flat): void {
  if (typeof value === 'string') writer.text(value)
  else if (typeof value === 'number') writer.head(UNSIGNED, value)
  else {
    const keys = keysOf(value)
    writer.head(MAP, keys.length)
    for (const { name, bytes } of keys) {
      writer.raw(bytes)
      write(writer, value[name] ?? '')
    }
  }
}

function keysOf(value: { readonly [name: string]: Flat }): readonly Key[] {
  const names = Object.keys(value)
  const shape = names.join('\n')
  const known = sortedKeys.get(shape)
  if (known !== undefined) return known
  const keys = names
    .map((name) => ({ name, bytes: encodeFlat([name]) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
  sortedKeys.set(shape, keys)
  return keys
}

/** A buffer that grows. */
class Writer {
  #buffer = Buffer.allocUnsafe(FIRST_BUFFER_BYTES)
  #end = 0

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#end)
  }

  raw(bytes: Buffer): void {
    this.#makeRoom(bytes.byteLength)
    this.#buffer.set(bytes, this.#end)
    this.#end += bytes.byteLength
  }

  text(text: string): void {
    this.#makeRoom(LONGEST_HEAD_BYTES + text.length * MOST_BYTES_OF_CHARACTER)
    this.head(TEXT, Buffer.byteLength(text))
    this.#end += this.#buffer.write(text, this.#end)
  }

  /** Additional information 24, 25, 26 or 27 says that 1, 2, 4 or 8 bytes follow. */
  head(major: number, count: number): void {
    this.#makeRoom(LONGEST_HEAD_BYTES)
    const buffer = this.#buffer
    if (count < 24) this.#end = buffer.writeUInt8(major | count, this.#end)
    else if (count < 2 ** 8) this.#end = buffer.writeUInt16BE(((major | 24) << 8) | count, this.#end)
    else if (count < 2 ** 16) {
      this.#end = buffer.writeUInt16BE(count, buffer.writeUInt8(major | 25, this.#end))
    } else if (count < 2 ** 32) {
      this.#end = buffer.writeUInt32BE(count, buffer.writeUInt8(major | 26, this.#end))
    } else {
      this.#end = buffer.writeBigUInt64BE(BigInt(count), buffer.writeUInt8(major | 27, this.#end))
    }
  }

  #makeRoom(sizeBytes: number): void {
    const needed = this.#end + sizeBytes
    if (needed <= this.#buffer.byteLength) return
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.byteLength * 2))
    this.#buffer.copy(larger, 0, 0, this.#end)
    this.#buffer = larger
  }
}
