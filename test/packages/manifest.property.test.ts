// Manifests of any package: one value in two encodings, both canonical.

import { describe, expect, test } from '@jest/globals'
import canonicalize from 'canonicalize'
import { decode, encode, rfc8949EncodeOptions } from 'cborg'
import {
  encodeFiles,
  type FrozenFile,
  frameOf,
  type ManifestFormat,
  type ManifestHead,
  manifestFile,
  manifestHead,
} from '../../server/packages/manifest.js'
import { type Metadata, metadataProblem, normalizedMetadata } from '../../server/packages/metadata.js'
import { manifestSchema } from '../../server/packages/operations.js'
import { NEVER } from '../../server/packages/retention.js'
import fc from '../support/properties.js'
import { aPackage } from './a-package.js'
import { assertDeterministicCbor, canonicalJson } from './canonical.js'

const hex = (digits: number) =>
  fc
    .array(fc.constantFrom(...'0123456789abcdef'), { minLength: digits, maxLength: digits })
    .map((all) => all.join(''))

const time = fc.date({ min: new Date('2000-01-01Z'), max: new Date('2100-01-01Z'), noInvalidDate: true })

const text = fc.string({ unit: 'binary', maxLength: 30 })

const frozenFile: fc.Arbitrary<FrozenFile> = fc.record({
  path: text,
  sizeBytes: fc.maxSafeNat().map(BigInt),
  contentType: fc.option(fc.constantFrom('text/csv', 'application/x-netcdf')),
  md5: hex(32),
  sha1: hex(40),
  sha256: hex(64),
  uploadId: hex(40),
  createdAt: time,
  finishedAt: time,
})

const metadata: fc.Arbitrary<Metadata> = fc
  .dictionary(text, fc.jsonValue({ maxDepth: 5, noUnicodeString: false }), { maxKeys: 30 })
  .filter((value) => metadataProblem(value) === null)
  .map(normalizedMetadata)

const head: fc.Arbitrary<ManifestHead> = fc
  .record({
    name: text,
    label: fc.option(text),
    owner: text,
    metadata,
    endsAt: fc.oneof(time, fc.constant(NEVER)),
    at: time,
  })
  .map(({ at, endsAt, ...changes }) =>
    manifestHead(aPackage(changes), {
      finalizedAt: at,
      endsAt,
      contents: { ready: 0, failed: 0, unfinished: 0, sizeBytes: 0 },
      extensions: [{ at, by: 'somebody', reason: 'more time', oldExpiresAt: at, newExpiresAt: at }],
      provenance: { store: 'local', version: '1.2.3', publicUrl: 'https://x.org' },
    }),
  )

const manifest = fc
  .tuple(head, fc.uniqueArray(frozenFile, { selector: ({ path }) => path, maxLength: 40 }))
  .map(([empty, files]) => ({ head: { ...empty, totals: { files: files.length, bytes: 1 } }, files }))

function encoded(
  { head, files }: { head: ManifestHead; files: readonly FrozenFile[] },
  format: ManifestFormat,
): Buffer {
  const { before, after } = frameOf(head, format)
  const inner = files.map((file) => manifestFile(file, 'local'))
  // In two batches, as they come from the database.
  const batches = [inner.slice(0, 3), inner.slice(3)].filter((batch) => batch.length > 0)
  return Buffer.concat([
    before,
    ...batches.map((batch, index) => encodeFiles(batch, format, index === 0)),
    after,
  ])
}

/** The same value, every object's members in the opposite order. */
function reversed<T>(value: T): T {
  if (Array.isArray(value)) return value.map(reversed) as T
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).map(([name, inner]) => [name, reversed(inner)])
  return Object.fromEntries(members.reverse()) as T
}

describe('the two encodings of a manifest', () => {
  test('say the same, each in its one canonical form, and as the schema has it', () => {
    fc.assert(
      fc.property(manifest, (one) => {
        const cbor = encoded(one, 'cbor')
        const json = encoded(one, 'json').toString()
        const value = JSON.parse(json)
        expect(decode(cbor, { strict: true, rejectDuplicateMapKeys: true })).toEqual(value)
        expect(assertDeterministicCbor(cbor)).toEqual([
          'files',
          'totals',
          'package',
          'retention',
          'provenance',
          'manifest_version',
        ])
        expect(json).toBe(canonicalJson(value))
        expect(Object.keys(value)).toEqual(Object.keys(value).sort())
        const { metadata, ...others } = value.package
        expect(manifestSchema.parse(value).package).toMatchObject(others)
        expect(value.files).toHaveLength(one.files.length)
        expect(canonicalJson(metadata)).toBe(canonicalJson(one.head.package.metadata))
      }),
      { numRuns: 300 },
    )
  })

  test('don’t depend on the order in which members were made', () => {
    fc.assert(
      fc.property(manifest, (one) => {
        const other = { head: reversed(one.head), files: one.files }
        for (const format of ['cbor', 'json'] as const) {
          expect(encoded(other, format).equals(encoded(one, format))).toBe(true)
        }
      }),
    )
  })

  test('are what the libraries make of the whole', () => {
    fc.assert(
      fc.property(manifest, (one) => {
        const whole = { ...one.head, files: one.files.map((file) => manifestFile(file, 'local')) }
        expect(encoded(one, 'cbor').equals(encode(whole, rfc8949EncodeOptions))).toBe(true)
        expect(encoded(one, 'json').toString()).toBe(canonicalize(whole))
      }),
    )
  })

  const AT_WIDTHS = [8, 16, 32, 48].flatMap((bits) => [2 ** bits - 1, 2 ** bits, 2 ** bits + 1])
  test.each([...AT_WIDTHS, Number.MAX_SAFE_INTEGER])('of %i bytes say so in as few as can be', (bytes) => {
    fc.assert(
      fc.property(head, frozenFile, (empty, file) => {
        const one = {
          head: { ...empty, totals: { files: 1, bytes } },
          files: [{ ...file, sizeBytes: BigInt(bytes) }],
        }
        const cbor = encoded(one, 'cbor')
        assertDeterministicCbor(cbor)
        expect(decode(cbor)).toMatchObject({ totals: { bytes }, files: [{ size: bytes }] })
      }),
      { numRuns: 3 },
    )
  })

  test.each([0, 1, 23, 24, 255, 256, 65_535, 65_536])('of %i files have a head that says so', (count) => {
    const empty = manifestHead(aPackage(), {
      finalizedAt: new Date(0),
      endsAt: NEVER,
      contents: { ready: count, failed: 0, unfinished: 0, sizeBytes: 0 },
      extensions: [],
      provenance: { store: 's3', version: '1', publicUrl: 'https://x.org' },
    })
    const { before, after } = frameOf(empty, 'cbor')
    // A null is a byte: enough to stand for a file.
    const cbor = Buffer.concat([before, Buffer.alloc(count, 0xf6), after])
    assertDeterministicCbor(cbor)
    expect((decode(cbor) as { files: unknown[] }).files).toHaveLength(count)
  })
})
