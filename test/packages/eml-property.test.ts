// Random documents about random files: names with everything that XML has to escape, white space of every kind, and
// physicals in any state of completion.

import { describe, expect, test } from '@jest/globals'
import { type PackageFile, PackageFiles } from '../../server/packages/eml-files.js'
import { EmlPatch, type Patched } from '../../server/packages/eml-patch.js'
import { EmlReader } from '../../server/packages/eml-reader.js'
import fc from '../support/properties.js'
import { findAll, parseXml, schemaProblems, type XmlNode } from './eml-schema.js'

const RUNS = 300

function patch(text: string, files: readonly PackageFile[]): Patched {
  const reader = new EmlReader(text)
  while (reader.step());
  const patching = new EmlPatch(text, reader.entities, new PackageFiles(files))
  while (patching.step());
  return patching.result()
}

const hex = (length: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length })

const blank = fc.string({ unit: fc.constantFrom(' ', '\n', '\r\n', '\t'), maxLength: 5 })

const name = fc
  .string({
    unit: fc.oneof(
      fc.constantFrom(...'&<>"\'/]:; .'),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
    ),
    minLength: 1,
    maxLength: 12,
  })
  // What a path or file name of ours can be, and XML can hold.
  .filter((text) => text.trim() === text && !/[\p{Cc}\uFFFE\uFFFF]/u.test(text) && text.isWellFormed())

const file: fc.Arbitrary<PackageFile> = fc.record({
  uploadId: hex(40),
  path: name,
  name,
  facts: fc.record({
    sizeBytes: fc.maxSafeNat(),
    md5: hex(32),
    sha1: hex(40),
    formatName: fc.constantFrom('text/csv', 'application/zip'),
    url: name.map((text) => `https://staging.example.org/r/x/${encodeURIComponent(text)}?a&b='"<>`),
  }),
})

/** Some package: no two files with one path. */
const packageFiles = fc.uniqueArray(file, { selector: ({ path }) => path.normalize('NFC'), maxLength: 8 })

/** One of the ways to write `text`. */
const written = (text: string): fc.Arbitrary<string> =>
  fc.array(fc.nat(3), { minLength: text.length, maxLength: text.length }).map((ways) =>
    [...text]
      .map((character, index) => {
        if (ways[index] === 0) return `&#${character.codePointAt(0)};`
        if (ways[index] === 1 && !'<>]'.includes(character)) return `<![CDATA[${character}]]>`
        const escaped: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', ']': '&#x5D;' }
        return escaped[character] ?? character
      })
      .join(''),
  )

/** A physical that the schema allows, or that only lacks what is filled in. */
const physical = (objectName: string): fc.Arbitrary<string> =>
  fc
    .record({
      objectName: fc.tuple(blank, written(objectName), blank).map((parts) => parts.join('')),
      size: fc.option(
        fc.constantFrom('<size>1</size>', '<size unit="byte"> 2</size>', "<size unit='kb' >3</size >"),
      ),
      authentications: fc.array(
        fc.constantFrom(
          '<authentication method="MD5">0</authentication>',
          '<authentication method="md5"/>',
          "<authentication method='SHA-1'>1</authentication>",
          '<authentication method="SHA1"><!-- old --></authentication>',
          '<authentication method="CRC">2</authentication>',
        ),
        { maxLength: 4 },
      ),
      encoding: fc.option(fc.constant('<characterEncoding>UTF-8</characterEncoding>')),
      distributions: fc.array(
        fc.constantFrom(
          '<distribution><online><url>http://a.example</url></online></distribution>',
          '<distribution><online><url function="information">http://i.example</url></online></distribution>',
          '<distribution><online><url function="download"/></online><access authSystem="x"/></distribution>',
          '<distribution><offline><mediumName>m</mediumName></offline></distribution>',
          '<distribution/>',
          '<distribution><online><onlineDescription>d</onlineDescription></online></distribution>',
        ),
        { maxLength: 3 },
      ),
      gap: blank,
    })
    .map(({ objectName: written, size, authentications, encoding, distributions, gap }) => {
      const format =
        '<dataFormat><externallyDefinedFormat><formatName>f</formatName></externallyDefinedFormat></dataFormat>'
      const parts = [
        `<objectName>${written}</objectName>`,
        size,
        ...authentications,
        encoding,
        format,
        ...distributions,
      ]
      return `<physical>${parts
        .filter((part) => part !== null)
        .map((part) => gap + part)
        .join('')}${gap}</physical>`
    })

/** What may stand around entities, and must stay. */
const filler = fc
  .array(
    fc.oneof(
      blank,
      fc.constantFrom(
        '<!-- <physical> & friends -->',
        '<?pi a="<physical>"?>',
        '<title>a &amp; b<![CDATA[</physical>]]></title>',
        '<annotation  id=\'x\'   ><valueURI label="&lt;&#9;">u</valueURI></annotation >',
      ),
    ),
    { maxLength: 3 },
  )
  .map((parts) => parts.join(''))

interface Case {
  files: PackageFile[]
  /** objectNames, as they are meant. */
  names: string[]
  /** What stands before each physical, and behind the last. */
  between: string[]
  physicals: string[]
}

const cases: fc.Arbitrary<Case> = packageFiles
  .chain((files) => {
    const known = files.flatMap((one) => [one.path, one.name])
    const someName = known.length === 0 ? name : fc.oneof(name, fc.constantFrom(...known))
    return fc.record({ files: fc.constant(files), names: fc.array(someName, { maxLength: 5 }) })
  })
  .chain(({ files, names }) =>
    fc.record({
      files: fc.constant(files),
      names: fc.constant(names),
      fillers: fc.array(filler, { minLength: names.length + 1, maxLength: names.length + 1 }),
      physicals: fc.tuple(...names.map(physical)),
    }),
  )
  .map(({ files, names, fillers, physicals }) => ({
    files,
    names,
    physicals,
    between: [
      `<?xml version="1.0"?>\n<r:eml xmlns:r="https://eml.ecoinformatics.org/eml-2.2.0"><dataset>${fillers[0]}`,
      ...fillers.slice(1).map((text) => `<entityType>t</entityType></otherEntity>${text}`),
    ].map((text, index) =>
      index < names.length ? `${text}<otherEntity><entityName>n</entityName>` : `${text}</dataset></r:eml>`,
    ),
  }))

function documentOf({ between, physicals }: Case): string {
  return between.map((text, index) => text + (physicals[index] ?? '')).join('')
}

/** Throws unless `document` is `between` with some physical at each gap. */
function physicalsOf(document: string, between: readonly string[]): string[] {
  let rest = document
  const found: string[] = []
  for (const [index, text] of between.entries()) {
    expect(rest.slice(0, text.length)).toBe(text)
    rest = rest.slice(text.length)
    if (index === between.length - 1) break
    const end = rest.indexOf('</physical>') + '</physical>'.length
    found.push(rest.slice(0, end))
    rest = rest.slice(end)
  }
  expect(rest).toBe('')
  return found
}

/** The one that PASTA pulls. */
function pulledUrl(node: XmlNode): string | undefined {
  return findAll(node, 'distribution', 'online', 'url').find(
    ({ attributes }) => attributes.function !== 'information',
  )?.text
}

describe('a patched document', () => {
  test('parses, has the files’ values, the rest as it was, and is not changed by patching it again', () => {
    fc.assert(
      fc.property(cases, (one) => {
        const text = documentOf(one)
        const index = new PackageFiles(one.files)
        const { document, matched, missing, unused } = patch(text, one.files)

        const physicals = physicalsOf(document, one.between)
        for (const [at, objectName] of one.names.entries()) {
          const file = index.find(objectName)
          if (typeof file !== 'object') {
            expect(physicals[at]).toBe(one.physicals[at])
            continue
          }
          const node = parseXml(physicals[at]!)
          const values = (path: string) => findAll(node, path)
          expect(values('objectName')[0]!.text.trim()).toBe(objectName)
          expect(values('size').map(({ attributes, text }) => [attributes.unit, text])).toEqual([
            ['byte', String(file.facts!.sizeBytes)],
          ])
          const digests = (...methods: string[]) =>
            values('authentication')
              .filter(({ attributes }) => methods.includes(attributes.method ?? ''))
              .map(({ text }) => text)
          expect(new Set(digests('MD5'))).toEqual(new Set([file.facts!.md5]))
          expect(new Set(digests('SHA1', 'SHA-1'))).toEqual(new Set([file.facts!.sha1]))
          expect(digests('md5')).toEqual([])
          expect(pulledUrl(node)).toBe(file.facts!.url)
        }
        const found = one.names.map((objectName) => index.find(objectName))
        expect(matched.map(({ file }) => file)).toEqual(found.filter((file) => typeof file === 'object'))
        expect(missing.map(({ reason }) => reason)).toEqual(
          found
            .filter((file) => typeof file !== 'object')
            .map((file) => (file === 'ambiguous' ? 'ambiguous' : 'no file')),
        )
        expect(unused).toEqual(one.files.filter((file) => !found.includes(file)))

        const again = patch(document, one.files)
        expect(again.document).toBe(document)
        expect(again.matched).toEqual(matched)
      }),
      { numRuns: RUNS },
    )
  })

  test('is in the schema’s order when it could be before', () => {
    fc.assert(
      fc.property(cases, (one) => {
        const entities = (text: string) => findAll(parseXml(text), 'dataset')[0]!
        const before = schemaProblems(entities(documentOf(one)))
        const after = schemaProblems(entities(patch(documentOf(one), one.files).document))
        // What was left empty for us may be full now; nothing new is wrong.
        expect(after.filter((problem) => !before.includes(problem))).toEqual([])
      }),
      { numRuns: RUNS },
    )
  })
})
