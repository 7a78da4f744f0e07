// Whether bytes are canonical, by the letter of the RFCs and without the libraries that wrote them.

/**
 * Walks CBOR and throws at the first thing that isn't core deterministic (RFC 8949 §4.2.1): an indefinite length, a count
 * that fits fewer bytes, a float that fits fewer, map keys out of the bytewise order of their encodings, or a rest.
 *
 * @returns the keys of the outermost map, in their order
 */
export function assertDeterministicCbor(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const outermost: string[] = []
  const end = walk(0, true)
  if (end !== bytes.byteLength) throw new Error(`${bytes.byteLength - end} bytes are left.`)
  return outermost

  function walk(at: number, isOutermost: boolean): number {
    const major = view.getUint8(at) >> 5
    if (major === 7) return simple(at)
    const { count, next } = head(at)
    if (major === 0 || major === 1) return next
    if (major === 2 || major === 3) return next + count
    if (major === 4) {
      let place = next
      for (let i = 0; i < count; i += 1) place = walk(place, false)
      return place
    }
    if (major !== 5) throw new Error(`Major type ${major} at ${at}.`)
    return map(next, count, isOutermost)
  }

  function map(start: number, count: number, isOutermost: boolean): number {
    let place = start
    let last: Buffer | null = null
    for (let i = 0; i < count; i += 1) {
      const keyEnd = walk(place, false)
      const key = Buffer.from(bytes.subarray(place, keyEnd))
      if (key[0] === undefined || key[0] >> 5 !== 3) throw new Error(`A key that isn't text at ${place}.`)
      if (last !== null && Buffer.compare(last, key) >= 0) throw new Error(`A key out of order at ${place}.`)
      if (isOutermost) outermost.push(key.subarray(1).toString())
      last = key
      place = walk(keyEnd, false)
    }
    return place
  }

  function head(at: number): { count: number; next: number } {
    const info = view.getUint8(at) & 31
    if (info < 24) return { count: info, next: at + 1 }
    if (info > 27) throw new Error(`An indefinite or reserved length at ${at}.`)
    const widthBytes = 2 ** (info - 24)
    const count = Number(`0x${Buffer.from(bytes.subarray(at + 1, at + 1 + widthBytes)).toString('hex')}`)
    const least = info === 24 ? 24 : 2 ** (8 * (widthBytes / 2))
    if (count < least) throw new Error(`The count ${count} in ${widthBytes} bytes at ${at}.`)
    return { count, next: at + 1 + widthBytes }
  }

  function simple(at: number): number {
    const info = view.getUint8(at) & 31
    if (info >= 20 && info <= 22) return at + 1
    if (info === 25) return at + 3
    if (info === 26) {
      if (isHalf(view.getFloat32(at + 1))) throw new Error(`A float that fits 2 bytes at ${at}.`)
      return at + 5
    }
    if (info !== 27) throw new Error(`Simple value ${info} at ${at}.`)
    const value = view.getFloat64(at + 1)
    if (Math.fround(value) === value) throw new Error(`A float that fits 4 bytes at ${at}.`)
    return at + 9
  }
}

/** True when a finite number is a half-precision float: 11 bits of precision, exponents from -24 on. */
function isHalf(value: number): boolean {
  if (value === 0) return true
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(value))), -14)
  const scaled = value / 2 ** (exponent - 10)
  return Number.isInteger(scaled) && Math.abs(value) <= 65_504
}

/** RFC 8785: as JSON.stringify writes it, but for the members' order, which is that of their UTF-16 code units. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).sort(([a], [b]) => compareCodeUnits(a, b))
  return `{${members.map(([name, inner]) => `${JSON.stringify(name)}:${canonicalJson(inner)}`).join(',')}}`
}

function compareCodeUnits(a: string, b: string): number {
  for (let i = 0; i < Math.min(a.length, b.length); i += 1) {
    const difference = a.charCodeAt(i) - b.charCodeAt(i)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
