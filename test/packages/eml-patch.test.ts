import { readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { type PackageFile, PackageFiles } from '../../server/packages/eml-files.js'
import { EmlPatch, type Patched } from '../../server/packages/eml-patch.js'
import { EmlReader } from '../../server/packages/eml-reader.js'
import { findAll, parseXml, schemaProblems } from './eml-schema.js'

const read = (name: string) =>
  readFileSync(new URL(`../../../test/packages/eml/${name}`, import.meta.url), 'utf8')
const LAKE = read('lake.xml')
const PLOTS = read('plots.xml')

const MD5 = '9e107d9d372bb6826bd81d3542a419d6'
const SHA1 = '2fd4e1c67a2d28fced849ee1bb76e7391b93eb12'

function file(path: string, { name = path.split('/').at(-1)!, isReady = true } = {}): PackageFile {
  const url = `https://staging.example.org/r/TOKEN/${encodeURIComponent(name)}?a=1&b=2`
  const facts = { sizeBytes: 1_048_576, md5: MD5, sha1: SHA1, formatName: 'text/csv', url }
  return { uploadId: `id of ${path}`, path, name, facts: isReady ? facts : null }
}

function urlOf(name: string): string {
  return `https://staging.example.org/r/TOKEN/${encodeURIComponent(name)}?a=1&amp;b=2`
}

function patch(text: string, files: readonly PackageFile[]): Patched {
  const reader = new EmlReader(text)
  while (reader.step());
  const patching = new EmlPatch(text, reader.entities, new PackageFiles(files))
  while (patching.step());
  return patching.result()
}

/** `text` with each of these replaced, once: what a person with an editor would have done. */
function edited(text: string, changes: readonly (readonly [string, string])[]): string {
  return changes.reduce((before, [from, to]) => {
    expect(before.split(from)).toHaveLength(2)
    return before.replace(from, () => to)
  }, text)
}

const summary = ({ matched, missing, unused }: Patched) => ({
  matched: matched.map(({ objectName, entity, file: { path } }) => [objectName, entity, path]),
  missing: missing.map(({ objectName, entity, reason }) => [objectName, entity, reason]),
  unused: unused.map(({ path }) => path),
})

/** Documents that differ only in how their lines end, and in their first character. */
const VARIANTS: [string, (text: string) => string][] = [
  ['as it is', (text) => text],
  ['with CRLF', (text) => text.replaceAll('\n', '\r\n')],
  ['with CR', (text) => text.replaceAll('\n', '\r')],
  ['with a byte order mark', (text) => `\uFEFF${text}`],
]

describe('a document of data tables and other entities', () => {
  const files = [
    file('data/lake_temperature.csv'),
    // NFD, as a Mac has it; the document has NFC.
    file('R&D <inflow> “v2”.csv'),
    file('code/model.R'),
    file('photographs.zip'),
    file('extra.txt'),
    file('running.txt', { isReady: false }),
  ]
  const auth = (lineStart: string) =>
    `${lineStart}<authentication method="MD5">${MD5}</authentication>` +
    `${lineStart}<authentication method="SHA-1">${SHA1}</authentication>`
  const distribution = (name: string, lineStart: string) =>
    `${lineStart}<distribution><online>${lineStart}  <url function="download">${urlOf(name)}</url>${lineStart}</online></distribution>`
  const inner = '\n        '
  const patchedLake = edited(LAKE, [
    // The first table: only values change, whatever stands between them.
    ['<size unit="byte">17</size> <!-- of 2023 -->', '<size unit="byte">1048576</size> <!-- of 2023 -->'],
    ['"MD5">00000000000000000000000000000000<', `"MD5">${MD5}<`],
    [`'SHA1'>0000000000000000000000000000000000000000<`, `'SHA1'>${SHA1}<`],
    ['https://old.example.org/data?a=1&amp;b=2', urlOf('lake_temperature.csv')],
    // The second: all but the name and the format is missing.
    [
      '&#8221;.csv\n        </objectName>',
      `&#8221;.csv\n        </objectName>${inner}<size unit="byte">1048576</size>${auth(inner)}`,
    ],
    [
      '<formatName>text/csv</formatName>\n          </externallyDefinedFormat>\n        </dataFormat>',
      `<formatName>text/csv</formatName>\n          </externallyDefinedFormat>\n        </dataFormat>${distribution('R&D <inflow> “v2”.csv', inner)}`,
    ],
    // The third has no physical.
    [
      '<entityDescription>Fits the model</entityDescription>',
      `<entityDescription>Fits the model</entityDescription>
      <physical>
        <objectName>model.R</objectName>
        <size unit="byte">1048576</size>${auth(inner)}
        <dataFormat><externallyDefinedFormat><formatName>text/csv</formatName></externallyDefinedFormat></dataFormat>${distribution('model.R', inner)}
      </physical>`,
    ],
    // The fourth counts in megabytes, and can be had on a shelf only.
    ['<size unit="megabyte">3</size>', `<size unit="byte">1048576</size>${auth(inner)}`],
    [
      '<offline><mediumName>shelf</mediumName></offline>\n        </distribution>',
      `<offline><mediumName>shelf</mediumName></offline>\n        </distribution>${distribution('photographs.zip', inner)}`,
    ],
  ])

  test.each(VARIANTS)('%s is filled, and not changed by a byte elsewhere', (_name, vary) => {
    expect(patch(vary(LAKE), files).document).toBe(vary(patchedLake))
  })

  test('tells what matched, what has no file, and which files nobody named', () => {
    expect(summary(patch(LAKE, files))).toEqual({
      matched: [
        ['lake_temperature.csv', 'Lake temperature', 'data/lake_temperature.csv'],
        ['R&D <inflow> “v2”.csv', 'Inflow', 'R&D <inflow> “v2”.csv'],
        ['model.R', 'code/model.R', 'code/model.R'],
        ['photographs.zip', 'Photographs', 'photographs.zip'],
      ],
      missing: [['nowhere.bin', 'Not uploaded', 'no file']],
      unused: ['extra.txt'],
    })
  })

  test('patched again, nothing changes, and the same is told', () => {
    const first = patch(LAKE, files)
    const second = patch(first.document, files)
    expect(second.document).toBe(first.document)
    expect(summary(second)).toEqual(summary(first))
  })

  test('is in the schema’s order before and after', () => {
    const dataset = (text: string) => findAll(parseXml(text), 'dataset')[0]!
    expect(schemaProblems(dataset(LAKE))).toEqual([])
    expect(schemaProblems(dataset(patch(LAKE, files).document))).toEqual([])
  })

  test('without any file of its package is the same document', () => {
    const { document, missing } = patch(LAKE, [])
    expect(document).toBe(LAKE)
    expect(missing).toHaveLength(5)
  })
})

describe('a document with tabs, odd prefixes and gaps', () => {
  const files = [
    file('gis/plots.gpkg'),
    file('deliveries/plots.zip'),
    file('species.csv'),
    file('readme.txt'),
    file('a/data.csv'),
    file('b/data.csv'),
    file('running.csv', { isReady: false }),
  ]
  const tabs = '\n\t\t\t\t'
  const size = '<size unit="byte">1048576</size>'
  const md5 = `<authentication method="MD5">${MD5}</authentication>`
  const sha1 = `<authentication method="SHA-1">${SHA1}</authentication>`
  const url = (name: string) => `<url function="download">${urlOf(name)}</url>`
  const patchedPlots = edited(PLOTS, [
    // PASTA doesn't know a method "md5", and takes a size without a unit for bytes: both are made plain.
    ['<size>5</size>', size],
    [
      '<authentication method="md5"\n\t\t\t\t>ffffffffffffffffffffffffffffffff</authentication>\n\t\t\t\t<authentication method="SHA-1"/>',
      `${md5}${tabs}${sha1}`,
    ],
    [
      '<onlineDescription>soon</onlineDescription>',
      `<onlineDescription>soon</onlineDescription>${url('plots.gpkg')}`,
    ],
    [
      '<objectName>plots.zip</objectName>',
      `<objectName>plots.zip</objectName>${tabs}${size}${tabs}${md5}${tabs}${sha1}`,
    ],
    [
      '<distribution/>',
      `<distribution>${tabs}\t<online>${tabs}\t\t${url('plots.zip')}${tabs}\t</online>${tabs}</distribution>`,
    ],
    // All on one line stays there.
    ['<objectName>species.csv</objectName>', `<objectName>species.csv</objectName>${size}${md5}${sha1}`],
    ['<url function="download"/>', url('species.csv')],
    [
      '<physical>\n\t\t\t</physical>',
      `<physical>${tabs}<objectName>readme.txt</objectName>${tabs}${size}${tabs}${md5}${tabs}${sha1}` +
        `${tabs}<dataFormat><externallyDefinedFormat><formatName>text/csv</formatName></externallyDefinedFormat></dataFormat>` +
        `${tabs}<distribution><online>${tabs}\t${url('readme.txt')}${tabs}</online></distribution>\n\t\t\t</physical>`,
    ],
  ])

  test.each(VARIANTS)('%s is filled, and not changed by a byte elsewhere', (_name, vary) => {
    expect(patch(vary(PLOTS), files).document).toBe(vary(patchedPlots))
  })

  test('names what is ambiguous, and what is still on its way', () => {
    expect(summary(patch(PLOTS, files))).toEqual({
      matched: [
        ['gis/plots.gpkg', 'plots', 'gis/plots.gpkg'],
        ['plots.zip', 'plots', 'deliveries/plots.zip'],
        ['species.csv', 'species', 'species.csv'],
        ['readme.txt', 'readme.txt', 'readme.txt'],
      ],
      missing: [
        ['data.csv', 'data.csv', 'ambiguous'],
        ['running.csv', 'running', 'not ready'],
      ],
      unused: ['a/data.csv', 'b/data.csv'],
    })
  })

  test('patched again, nothing changes; and it is in the schema’s order', () => {
    const { document } = patch(PLOTS, files)
    expect(patch(document, files).document).toBe(document)
    const all = patch(PLOTS, [...files.slice(0, 4), file('data.csv'), file('running.csv')]).document
    expect(schemaProblems(findAll(parseXml(all), 'dataset')[0]!)).toEqual([])
  })
})

describe('one physical', () => {
  const around = (physical: string, root = 'e:eml xmlns:e="https://eml.ecoinformatics.org/eml-2.2.0"') =>
    `<${root}><dataset><otherEntity><entityName>n</entityName>${physical}<entityType>t</entityType></otherEntity></dataset></${root.split(' ')[0]}>`
  const files = [file('a.csv')]
  const format =
    '<dataFormat><externallyDefinedFormat><formatName>f</formatName></externallyDefinedFormat></dataFormat>'
  const physicalOf = (text: string) => findAll(parseXml(text), 'dataset', 'otherEntity', 'physical')[0]!

  test('with a method twice has both set: an old value would be compared, too', () => {
    const old =
      '<authentication method="SHA1">1</authentication><authentication method="SHA-1">2</authentication>'
    const { document } = patch(
      around(`<physical><objectName>a.csv</objectName>${old}${format}</physical>`),
      files,
    )
    const found = findAll(physicalOf(document), 'authentication')
    expect(found.map(({ attributes, text }) => [attributes.method, text])).toEqual([
      ['SHA1', SHA1],
      ['SHA-1', SHA1],
      ['MD5', MD5],
    ])
  })

  test('keeps what is said by a method that we don’t know, and by none', () => {
    const old = '<authentication method="SHA-256">1</authentication><authentication>2</authentication>'
    const { document } = patch(
      around(`<physical><objectName>a.csv</objectName>${old}${format}</physical>`),
      files,
    )
    expect(document).toContain(old)
    expect(findAll(physicalOf(document), 'authentication')).toHaveLength(4)
  })

  test('whose values are there already, in whatever spelling, stays as it is', () => {
    const url = file('a.csv').facts!.url.replaceAll('&', '&#38;').replace('TOKEN', '<![CDATA[TOKEN]]>')
    const text = around(
      `<physical><objectName>a.csv</objectName><size unit='byte'><!-- exact -->1048576</size>` +
        `<authentication method="SHA1">${SHA1}</authentication><authentication method="MD5">${MD5}</authentication>` +
        `${format}<distribution><online><url>${url}</url></online></distribution></physical>`,
    )
    expect(patch(text, files).document).toBe(text)
  })

  test('with white space around its values has them trimmed: PASTA compares them as they are', () => {
    const text = around(
      `<physical><objectName>a.csv</objectName><size unit="byte"> 1048576 </size>` +
        `<authentication method="MD5">\n${MD5}\n</authentication>${format}</physical>`,
    )
    const physical = physicalOf(patch(text, files).document)
    expect(findAll(physical, 'size')[0]!.text).toBe('1048576')
    expect(findAll(physical, 'authentication').map((one) => one.text)).toEqual([MD5, SHA1])
  })

  test('with a connection instead of a URL, or a URL for information, gets a distribution of its own', () => {
    const old =
      '<distribution><online><connection><references>c</references></connection></online></distribution>' +
      '<distribution><online><url function="information">https://x.example</url></online></distribution>'
    const text = around(`<physical><objectName>a.csv</objectName>${format}${old}</physical>`)
    const { document } = patch(text, files)
    expect(document).toContain(`${old}<distribution><online><url function="download">${urlOf('a.csv')}</url>`)
  })

  test('in a document whose elements are all in EML’s namespace is filled with such elements', () => {
    const root = 'x:eml xmlns:x="eml://ecoinformatics.org/eml-2.1.1"'
    const text = around(`<physical><objectName>a.csv</objectName>${format}</physical>`, root).replaceAll(
      /(<\/?)(?=[a-zA-Z]+[ >])(?!x:)/g,
      '$1x:',
    )
    const { document, matched } = patch(text, files)
    expect(matched).toHaveLength(1)
    expect(document).toContain('<x:size unit="byte">1048576</x:size>')
    expect(document).not.toMatch(/<\/?[a-zA-Z]+>/)
    expect(patch(document, files).document).toBe(document)
  })

  test('in another namespace than EML’s is none', () => {
    const text = around('<o:physical xmlns:o="urn:other"><objectName>a.csv</objectName></o:physical>')
    // So the entity has no physical, and its name isn't a file's.
    expect(summary(patch(text, files)).missing).toEqual([[null, 'n', 'no file']])
  })

  test('that only refers to another is left alone, and so is an entity that does', () => {
    const text = around('<physical><references>p1</references></physical>').replace(
      '</dataset>',
      '<dataTable><references>d</references></dataTable></dataset>',
    )
    const patched = patch(text, [file('n')])
    expect([patched.document, patched.matched, patched.missing]).toEqual([text, [], []])
  })

  test('without a name, in an entity without one, is missing and says so', () => {
    const text = around('<physical/>').replace('<entityName>n</entityName>', '<entityName> </entityName>')
    expect(summary(patch(text, files))).toEqual({
      matched: [],
      missing: [[null, '', 'no name']],
      unused: ['a.csv'],
    })
  })

  test('each of several in one entity is filled on its own, and one file may fill several', () => {
    const one = `<physical><objectName>a.csv</objectName>${format}</physical>`
    const other = `<physical><objectName>b.csv</objectName>${format}</physical>`
    const patched = patch(around(one + other + one), files)
    expect(summary(patched)).toEqual({
      matched: [
        ['a.csv', 'n', 'a.csv'],
        ['a.csv', 'n', 'a.csv'],
      ],
      missing: [['b.csv', 'n', 'no file']],
      unused: [],
    })
    expect(patched.document).toContain(other)
  })
})
