import { describe, expect, test } from '@jest/globals'
import { entitiesDocument, type PackageEntity, physicalFragment } from '../../server/packages/eml.js'
import { escapeXml } from '../../server/packages/eml-xml.js'
import { findAll, parseXml, schemaProblems } from './eml-schema.js'

const entity: PackageEntity = {
  path: 'data/R&D <"draft">.csv',
  objectName: 'R&D <"draft">.csv',
  sizeBytes: 4,
  md5: 'a'.repeat(32),
  sha1: 'b'.repeat(40),
  formatName: 'text/csv',
  url: "https://staging.example.org/r/TOKEN/a.csv?a=1&b='2'",
}

describe('the physical fragment', () => {
  test('is in the schema’s order, and says what is known', () => {
    const node = parseXml(physicalFragment(entity))
    expect(schemaProblems({ ...node, children: [] })).toEqual([])
    expect(node.children.map(({ name, attributes, text }) => [name, attributes, text.trim()])).toEqual([
      ['objectName', {}, entity.objectName],
      ['size', { unit: 'byte' }, '4'],
      ['authentication', { method: 'MD5' }, entity.md5],
      ['authentication', { method: 'SHA-1' }, entity.sha1],
      ['dataFormat', {}, ''],
      ['distribution', {}, ''],
    ])
    expect(findAll(node, 'dataFormat', 'externallyDefinedFormat', 'formatName')[0]?.text).toBe('text/csv')
    expect(findAll(node, 'distribution', 'online', 'url')[0]).toMatchObject({
      attributes: { function: 'download' },
      text: entity.url,
    })
  })
})

describe('the entities of a package', () => {
  const text = [...entitiesDocument('p1', [entity, { ...entity, path: 'b', objectName: 'b' }])].join('')

  test('are one document of other entities, each in the schema’s order', () => {
    const root = parseXml(text)
    expect([root.name, root.attributes]).toEqual(['entities', { package: 'p1' }])
    expect(schemaProblems(root)).toEqual([])
    expect(findAll(root, 'otherEntity', 'entityName').map((one) => one.text)).toEqual([entity.path, 'b'])
    expect(findAll(root, 'otherEntity', 'entityType').map((one) => one.text)).toEqual([
      'text/csv',
      'text/csv',
    ])
    expect(findAll(root, 'otherEntity', 'physical', 'objectName').map((one) => one.text)).toEqual([
      entity.objectName,
      'b',
    ])
  })

  test('are laid out to be read', () => {
    expect(text.split('\n').slice(1, 9)).toEqual([
      '<!-- Move these elements into the dataset element of your EML document, behind project, methods and contact. -->',
      '<entities package="p1">',
      '  <otherEntity>',
      '    <entityName>data/R&amp;D &lt;&quot;draft&quot;&gt;.csv</entityName>',
      '    <physical>',
      '      <objectName>R&amp;D &lt;&quot;draft&quot;&gt;.csv</objectName>',
      '      <size unit="byte">4</size>',
      `      <authentication method="MD5">${entity.md5}</authentication>`,
    ])
  })
})

test('text that XML can’t hold is escaped, or replaced', () => {
  const text = `<&>"'\0\x08\ud800\ufffe\uffffü😀`
  expect(parseXml(`<a b="${escapeXml(text)}">${escapeXml(text)}</a>`)).toMatchObject({
    attributes: { b: `<&>"'\ufffd\ufffd\ufffd\ufffd\ufffdü😀` },
    text: `<&>"'\ufffd\ufffd\ufffd\ufffd\ufffdü😀`,
  })
})
