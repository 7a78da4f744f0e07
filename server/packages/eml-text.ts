// The bytes of a document as its text, and places in it as people count them. Pure.

import { isUtf8 } from 'node:buffer'
import { AppError } from '../errors.js'

const LINE_FEED = 0x0a

/** A refusal of a document: what is wrong, where (line and column from 1), and what to do. */
export function refuseDocument(
  problem: string,
  place: { line: number; column: number },
  whatToDo: string,
): AppError {
  const { line, column } = place
  return new AppError('INVALID_INPUT', `${problem} (line ${line}, column ${column}). ${whatToDo}`, {
    details: { line, column },
  })
}

/**
 * The text of `bytes`, with its byte order mark when it has one: encoded again it is the very same bytes.
 *
 * @throws INVALID_INPUT for anything but UTF-8
 */
export function textOf(bytes: Uint8Array): string {
  if (isUtf8(bytes)) return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  const [first, second] = bytes
  const isUtf16 = (first === 0xfe && second === 0xff) || (first === 0xff && second === 0xfe)
  throw refuseDocument(
    isUtf16 ? 'The document is in UTF-16' : 'The document has bytes that are not UTF-8',
    isUtf16 ? { line: 1, column: 1 } : placeOfBadByte(bytes),
    'Save it in UTF-8 and send it again.',
  )
}

/** No byte of a longer character is a line feed, so lines can be looked at one by one. */
function placeOfBadByte(bytes: Uint8Array): { line: number; column: number } {
  let line = 1
  for (let start = 0; ; line += 1) {
    const feed = bytes.indexOf(LINE_FEED, start)
    const end = feed < 0 ? bytes.length : feed
    const inLine = bytes.subarray(start, end)
    if (!isUtf8(inLine) || feed < 0) return { line, column: columnOfBadByte(inLine) }
    start = end + 1
  }
}

function columnOfBadByte(line: Uint8Array): number {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  const again = new TextEncoder().encode(decoder.decode(line))
  let good = 0
  while (good < line.length && line[good] === again[good]) good += 1
  return [...decoder.decode(line.subarray(0, good))].length + 1
}

/** Where the character at `index` is. */
export function placeAt(text: string, index: number): { line: number; column: number } {
  const lines = text.slice(0, index).split(/\r\n|\r|\n/)
  return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 }
}
