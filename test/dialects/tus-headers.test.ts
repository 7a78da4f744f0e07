import { createHash } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import {
  announcedBytes,
  askedOf,
  assertTusVersion,
  bodyChecksum,
  byteCount,
  creationLength,
  describeUpload,
  isOffsetStream,
} from '../../server/dialects/tus-headers.js'
import fc from '../support/properties.js'
import { writeMetadata } from './tus-client.js'

/** The code that `act` refuses with, or what it answers. */
function outcome<T>(act: () => T): T | string {
  try {
    return act()
  } catch (error) {
    expect(error).toMatchObject({ name: 'AppError', detail: expect.stringMatching(/\.$/) })
    return (error as { code: string }).code
  }
}

const described = (values: Record<string, string>) =>
  describeUpload({ 'upload-length': '1', 'upload-metadata': writeMetadata(values) })

describe('the protocol version', () => {
  test('1.0.0 is taken', () => {
    expect(outcome(() => assertTusVersion({ 'tus-resumable': '1.0.0' }))).toBeUndefined()
  })

  test.each([[undefined], ['0.2.2'], ['1.0'], ['1.0.0, 1.0.0'], ['']])('%p is refused', (version) => {
    expect(outcome(() => assertTusVersion({ 'tus-resumable': version }))).toBe('UNSUPPORTED_VERSION')
  })
})

describe('a count of bytes', () => {
  test.each([
    ['0', 0],
    ['1', 1],
    ['1048576', 1_048_576],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ])('%p is %d', (text, count) => {
    expect(byteCount({ 'upload-length': text }, 'Upload-Length')).toBe(count)
  })

  test.each([
    '',
    ' ',
    '-1',
    '+1',
    '1.5',
    '1.0',
    '0x10',
    '1e3',
    '007',
    '00',
    '1_000',
    '1,2',
    '1, 1',
    '٣',
    'NaN',
    'Infinity',
    '9007199254740992',
    '9007199254740993',
    '99999999999999999999',
  ])('%p is refused, and the refusal names the header', (text) => {
    expect(() => byteCount({ 'upload-length': text }, 'Upload-Length')).toThrow(
      /INVALID_INPUT: Upload-Length/,
    )
  })

  test('a missing header is null, and a repeated one is refused', () => {
    expect(byteCount({}, 'Upload-Length')).toBeNull()
    expect(outcome(() => byteCount({ 'upload-length': ['1', '1'] }, 'Upload-Length'))).toBe('INVALID_INPUT')
  })

  test('every safe integer that is written plainly is read, and nothing else is', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (count) => {
        expect(byteCount({ 'upload-offset': String(count) }, 'Upload-Offset')).toBe(count)
      }),
    )
    fc.assert(
      fc.property(fc.string(), (text) => {
        const count = outcome(() => byteCount({ 'upload-offset': text }, 'Upload-Offset'))
        expect(count === 'INVALID_INPUT' || String(count) === text).toBe(true)
      }),
    )
  })
})

describe('the announced length of a body', () => {
  test.each([
    [{ 'content-length': '12' }, 12],
    [{ 'content-length': '0' }, 0],
    [{}, 0],
    [{ 'transfer-encoding': 'chunked' }, null],
  ])('%j is %p', (headers, bytes) => {
    expect(announcedBytes(headers)).toBe(bytes)
  })
})

describe('the media type of bytes', () => {
  test.each([
    ['application/offset+octet-stream', true],
    ['Application/Offset+Octet-Stream', true],
    ['application/offset+octet-stream; charset=utf-8', true],
    ['application/offset+octet-stream ;charset=utf-8', true],
    ['application/octet-stream', false],
    ['application/offset+octet-stream2', false],
    ['', false],
    [undefined, false],
  ])('%p: %p', (type, isStream) => {
    expect(isOffsetStream({ 'content-type': type })).toBe(isStream)
  })
})

describe('the length at creation', () => {
  test.each([
    [{ 'upload-length': '7' }, 7],
    [{ 'upload-length': '0' }, 0],
    [{ 'upload-defer-length': '1' }, null],
  ])('%j is %p', (headers, length) => {
    expect(creationLength(headers)).toBe(length)
  })

  test.each([
    [{}],
    [{ 'upload-length': '7', 'upload-defer-length': '1' }],
    [{ 'upload-defer-length': '0' }],
    [{ 'upload-defer-length': 'true' }],
    [{ 'upload-defer-length': '' }],
  ])('%j is refused', (headers) => {
    expect(outcome(() => creationLength(headers))).toBe('INVALID_INPUT')
  })
})

describe("a body's checksum", () => {
  const digest = (algorithm: string) => createHash(algorithm).update('x').digest()

  test.each(['md5', 'sha1', 'sha256'] as const)('%s is read', (algorithm) => {
    const header = `${algorithm} ${digest(algorithm).toString('base64')}`
    expect(bodyChecksum({ 'upload-checksum': header })).toEqual({ algorithm, digest: digest(algorithm) })
  })

  test('none is null', () => expect(bodyChecksum({})).toBeNull())

  test.each([
    ['', 'empty'],
    ['sha1', 'no digest'],
    ['sha1 ', 'an empty digest'],
    [`SHA1 ${digest('sha1').toString('base64')}`, 'a name that OPTIONS does not list'],
    [`crc32 ${Buffer.alloc(4).toString('base64')}`, 'an unknown algorithm'],
    [`sha1 ${digest('sha1').toString('hex')}`, 'hex'],
    [`sha1 ${digest('md5').toString('base64')}`, 'a digest of another length'],
    [`sha1 ${digest('sha1').toString('base64')} more`, 'more words'],
    [`sha1  ${digest('sha1').toString('base64')}`, 'two spaces'],
    [`sha1 ${digest('sha1').toString('base64').replace('=', '')}`, 'no padding'],
    [`sha1 !${digest('sha1').toString('base64')}`, 'what Base64 does not have'],
    [`__proto__ ${digest('sha1').toString('base64')}`, 'a name of JavaScript'],
  ])('%p is refused: %s', (header) => {
    expect(outcome(() => bodyChecksum({ 'upload-checksum': header }))).toBe('INVALID_INPUT')
  })
})

describe('what a creation describes', () => {
  test('every key that is known, and the header as it came', () => {
    const values = {
      filename: 'lake.csv',
      filetype: 'Text/CSV',
      key: 'EDI-1',
      label: 'lakes 2026',
      relativePath: 'data/lake.csv',
      md5: 'D41D8CD98F00B204E9800998ECF8427E',
      sha1: 'da39a3ee5e6b4b0d3255bfef95601890afd80709',
      sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      packageId: '0123456789abcdef0123456789abcdef01234567',
      finalize: 'manual',
      other: 'kept as it is',
    }
    expect(described(values)).toEqual({
      filename: 'lake.csv',
      contentType: 'text/csv',
      key: 'EDI-1',
      label: 'lakes 2026',
      relativePath: 'data/lake.csv',
      packageId: '0123456789abcdef0123456789abcdef01234567',
      finish: 'manual',
      concat: null,
      tusMetadata: writeMetadata(values),
      sizeBytes: 1,
      declared: { md5: values.md5.toLowerCase(), sha1: values.sha1, sha256: values.sha256 },
    })
  })

  test("Uppy's name and type are read as filename and filetype, which win", () => {
    expect(described({ name: 'a.csv', type: 'text/csv' })).toMatchObject({
      filename: 'a.csv',
      contentType: 'text/csv',
    })
    expect(described({ name: 'a.csv', filename: 'b.csv' })).toMatchObject({ filename: 'b.csv' })
  })

  test.each([undefined, ''])('Upload-Metadata %p describes nothing', (header) => {
    expect(describeUpload({ 'upload-defer-length': '1', 'upload-metadata': header })).toEqual({
      filename: null,
      contentType: null,
      key: null,
      label: null,
      relativePath: null,
      packageId: null,
      finish: 'auto',
      concat: null,
      tusMetadata: null,
      sizeBytes: null,
      declared: {},
    })
  })

  test.each([
    ['plain.csv', 'plain.csv'],
    ['../../etc/passwd', 'passwd'],
    ['..\\..\\boot.ini', 'boot.ini'],
    ['/absolute/name', 'name'],
    ['..', null],
    ['.', null],
    ['folder/', null],
    ['  spaced  ', 'spaced'],
    ['   ', null],
    ['湖の水温.csv', '湖の水温.csv'],
    ['🐟 "quoted" \'n\' %41.csv', '🐟 "quoted" \'n\' %41.csv'],
  ])('the file name %p becomes %p', (given, name) => {
    expect(described({ filename: given }).filename).toBe(name)
  })

  test('a name may have 300 characters, and no value more than 1024', () => {
    expect(described({ filename: '湖'.repeat(300) }).filename).toBe('湖'.repeat(300))
    expect(outcome(() => described({ label: 'x'.repeat(1025) }))).toBe('INVALID_INPUT')
  })

  test.each(['a\r\nb', 'a\nb', 'a\0b', 'a\tb', 'a\u007fb', 'a\u0085b'])(
    'no value may hold control characters: %j',
    (value) => {
      for (const key of ['filename', 'filetype', 'key', 'label', 'relativePath']) {
        expect(outcome(() => described({ [key]: value }))).toBe('INVALID_INPUT')
      }
    },
  )

  test.each(['../a', 'a/../b', '/a', 'a//b', 'a/', './a', 'a\\b', '..'])(
    'the relative path %p is refused',
    (path) => {
      expect(outcome(() => described({ relativePath: path }))).toBe('INVALID_INPUT')
    },
  )

  test('the relative path "null", which Uppy writes for a file without a folder, is none', () => {
    expect(described({ relativePath: 'null' }).relativePath).toBeNull()
  })

  test.each([
    ['text/csv', 'text/csv'],
    ['text/csv; charset=UTF-8', 'text/csv; charset=utf-8'],
    ['application/vnd.ms-excel.sheet.macroEnabled.12', 'application/vnd.ms-excel.sheet.macroenabled.12'],
    ['csv', null],
    ['text/', null],
    ['text/csv, text/html', null],
    ['text/<script>', null],
    ['text/plain\u2028; charset=utf-8', null],
    ['text/plain;\u00a0charset=utf-8', null],
    ['text/plain\u3000', null],
    ['text/plän', null],
    ['text/plain; charset=湖', null],
    ['text/plain; name="湖"', null],
  ])('the type %p becomes %p', (given, type) => {
    expect(described({ filetype: given }).contentType).toBe(type)
  })

  test.each([
    ['md5', 'd41d8cd98f00b204e9800998ecf8427'],
    ['md5', 'zz1d8cd98f00b204e9800998ecf8427e'],
    ['sha1', 'd41d8cd98f00b204e9800998ecf8427e'],
    ['sha256', '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='],
  ])('a declared %s of %p is refused', (algorithm, digest) => {
    expect(outcome(() => described({ [algorithm]: digest }))).toBe('INVALID_INPUT')
  })

  test.each([
    ['a comma too many', 'filename YQ==,'],
    ['two spaces', 'filename  YQ=='],
    ['no Base64', 'filename a!b='],
    ['Base64 without padding', 'filename YQ'],
    ['a key twice', 'filename YQ==,filename Yg=='],
    ['a key outside ASCII', 'näme YQ=='],
    ['only spaces', '   '],
    ['no key', ' YQ=='],
  ])('Upload-Metadata with %s is refused', (_, header) => {
    expect(outcome(() => describeUpload({ 'upload-length': '1', 'upload-metadata': header }))).toBe(
      'INVALID_INPUT',
    )
  })

  test.each([
    ['Latin-1', Buffer.from('größe.csv', 'latin1')],
    ['a cut sequence', Buffer.from('湖').subarray(0, 2)],
    ['a surrogate', Buffer.from([0xed, 0xa0, 0x80])],
  ])('a name that is not UTF-8 but %s is refused, not guessed', (_, bytes) => {
    const header = writeMetadata({ filename: bytes })
    expect(outcome(() => describeUpload({ 'upload-length': '1', 'upload-metadata': header }))).toBe(
      'INVALID_INPUT',
    )
  })

  test('whatever the header holds, the description is clean or the refusal is INVALID_INPUT', () => {
    const value = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: 'binary' }),
      fc.constantFrom('../x', 'a/b', '\r\n', '\0'),
    )
    const keys = fc.constantFrom(
      'filename',
      'name',
      'filetype',
      'type',
      'key',
      'label',
      'relativePath',
      'x-other',
    )
    fc.assert(
      fc.property(fc.dictionary(keys, value), (values) => {
        const description = outcome(() => described(values))
        if (typeof description === 'string') {
          expect(description).toBe('INVALID_INPUT')
          return
        }
        const { filename, contentType, key, label, relativePath } = description
        for (const text of [filename, contentType, key, label, relativePath])
          expect(text ?? '').not.toMatch(/\p{Cc}/u)
        expect(filename ?? '').not.toMatch(/[/\\]/)
        expect((relativePath ?? '').split('/')).not.toContain('..')
      }),
      { numRuns: 500 },
    )
  })

  test('a header of any characters never throws anything but INVALID_INPUT', () => {
    fc.assert(
      fc.property(fc.string(), (header) => {
        const description = outcome(() => describeUpload({ 'upload-length': '1', 'upload-metadata': header }))
        if (typeof description === 'string') expect(description).toBe('INVALID_INPUT')
      }),
    )
  })
})

describe('what a creation asks for', () => {
  const PAIRS = fc.uniqueArray(fc.tuple(fc.stringMatching(/^[a-z]{1,8}$/), fc.string()), {
    selector: ([key]) => key,
    maxLength: 6,
  })
  const written = (pairs: readonly (readonly [string, string])[], separator = ',') =>
    pairs.map(([key, value]) => `${key} ${Buffer.from(value).toString('base64')}`).join(separator)

  test('is the same in whichever order its metadata comes, and other when anything else is', () => {
    fc.assert(
      fc.property(PAIRS, fc.nat(), (pairs, length) => {
        const creation = { 'upload-length': String(length), 'upload-metadata': written(pairs) }
        const asked = askedOf(creation)
        expect(askedOf({ ...creation, 'upload-metadata': written(pairs.toReversed(), ', ') })).toEqual(asked)
        expect(askedOf({ ...creation, 'idempotency-key': 'k', 'content-type': 'x', date: 'now' })).toEqual(
          asked,
        )
        for (const other of [
          { 'upload-length': String(length + 1) },
          { 'upload-length': undefined, 'upload-defer-length': '1' },
          { 'upload-metadata': written([...pairs, ['longer-than-any', 'x']]) },
          { 'upload-concat': 'partial' },
        ])
          expect(askedOf({ ...creation, ...other })).not.toEqual(asked)
      }),
    )
  })

  test('names the parts of a concatenation by their paths, in order', () => {
    const final = (urls: string) => askedOf({ 'upload-concat': `final;${urls}` })
    expect(final('https://a.example/uploads/0a /uploads/0b')).toEqual(
      final('/uploads/0a http://b/uploads/0b'),
    )
    expect(final('/uploads/0b /uploads/0a')).not.toEqual(final('/uploads/0a /uploads/0b'))
  })

  test('an empty Upload-Metadata is as good as none', () => {
    expect(askedOf({ 'upload-length': '1', 'upload-metadata': '' })).toEqual(
      askedOf({ 'upload-length': '1' }),
    )
  })
})
