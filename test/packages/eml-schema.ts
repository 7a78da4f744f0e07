// What the schema of EML 2.2.0 says of entities and physicals, written down a second time: eml-entity.xsd,
// eml-physical.xsd and the entities' own modules. Knows nothing of the code under test.

import { type SaxesAttributeNS, SaxesParser } from 'saxes'

export interface XmlNode {
  name: string
  attributes: Record<string, string>
  children: XmlNode[]
  /** Character data directly in it. */
  text: string
}

/** A whole document as a tree. Throws when it isn't well-formed, with its namespaces. */
export function parseXml(text: string): XmlNode {
  const top: XmlNode = { name: '', attributes: {}, children: [], text: '' }
  const open = [top]
  const parser = new SaxesParser({ xmlns: true })
  parser.on('opentag', ({ local, attributes }) => {
    const entries = Object.values<SaxesAttributeNS>(attributes).map(({ name, value }) => [name, value])
    const node = { name: local, attributes: Object.fromEntries(entries), children: [], text: '' }
    open.at(-1)!.children.push(node)
    open.push(node)
  })
  parser.on('closetag', () => {
    open.pop()
  })
  const addText = (data: string) => {
    open.at(-1)!.text += data
  }
  parser.on('text', addText)
  parser.on('cdata', addText)
  parser.write(text).close()
  return top.children[0]!
}

export function findAll(node: XmlNode, ...path: string[]): XmlNode[] {
  const [name, ...rest] = path
  if (name === undefined) return [node]
  return node.children.filter((child) => child.name === name).flatMap((child) => findAll(child, ...rest))
}

/** One place in a sequence: what may stand there, and how often. */
interface Slot {
  names: readonly string[]
  least: number
  most: number
}

const one = (...names: string[]): Slot => ({ names, least: 1, most: 1 })
const optional = (...names: string[]): Slot => ({ names, least: 0, most: 1 })
const any = (...names: string[]): Slot => ({ names, least: 0, most: Number.POSITIVE_INFINITY })
const some = (...names: string[]): Slot => ({ names, least: 1, most: Number.POSITIVE_INFINITY })

const ENTITY_GROUP = [
  any('alternateIdentifier'),
  one('entityName'),
  optional('entityDescription'),
  any('physical'),
  optional('coverage'),
  optional('methods'),
  any('additionalInfo'),
  any('annotation'),
]

const SEQUENCES: Record<string, readonly Slot[]> = {
  dataTable: [
    ...ENTITY_GROUP,
    one('attributeList'),
    any('constraint'),
    optional('caseSensitive'),
    optional('numberOfRecords'),
  ],
  otherEntity: [...ENTITY_GROUP, optional('attributeList'), any('constraint'), one('entityType')],
  view: [...ENTITY_GROUP, one('attributeList'), any('constraint'), one('queryStatement')],
  storedProcedure: [...ENTITY_GROUP, one('attributeList'), any('constraint'), any('parameter')],
  spatialVector: [
    ...ENTITY_GROUP,
    one('attributeList'),
    any('constraint'),
    some('geometry'),
    optional('geometricObjectCount'),
    optional('topologyLevel'),
    optional('spatialReference'),
    optional('horizontalAccuracy'),
    optional('verticalAccuracy'),
  ],
  physical: [
    one('objectName'),
    optional('size'),
    any('authentication'),
    any('compressionMethod', 'encodingMethod'),
    optional('characterEncoding'),
    one('dataFormat'),
    any('distribution'),
  ],
  distribution: [one('online', 'offline', 'inline'), optional('access')],
  online: [optional('onlineDescription'), one('url', 'connection')],
}

const ENTITIES = Object.keys(SEQUENCES).slice(0, 5)

/** What the schema has against the entities under `node` (a dataset, or any list of entities); empty: nothing. */
export function schemaProblems(node: XmlNode): string[] {
  return node.children.filter(({ name }) => ENTITIES.includes(name)).flatMap(problemsOf)
}

function problemsOf(node: XmlNode): string[] {
  const sequence = SEQUENCES[node.name]
  if (sequence === undefined || node.children.some(({ name }) => name === 'references')) return []
  const problems: string[] = []
  let at = 0
  for (const slot of sequence) {
    let count = 0
    while (at < node.children.length && slot.names.includes(node.children[at]!.name)) {
      at += 1
      count += 1
    }
    if (count < slot.least || count > slot.most)
      problems.push(`${node.name}: ${count} × ${slot.names.join('|')}`)
  }
  const stray = node.children[at]
  if (stray !== undefined) problems.push(`${node.name}: ${stray.name} stands where it must not`)
  const below = node.children.filter(({ name }) => ['physical', 'distribution', 'online'].includes(name))
  const values = node.children.filter(
    ({ name, text }) => ['entityName', 'objectName', 'entityType'].includes(name) && text.trim() === '',
  )
  return [
    ...problems,
    ...values.map(({ name }) => `${node.name}: empty ${name}`),
    ...below.flatMap(problemsOf),
  ]
}
