// EML, the Ecological Metadata Language, as PASTA reads it. Pure.

import { type Layout, renderElement, type XmlElement } from './eml-xml.js'

/** What an EML `physical` element says of one file. */
export interface Physical {
  objectName: string
  sizeBytes: number
  md5: string
  sha1: string
  /** A media type. */
  formatName: string
  url: string
}

/** The entities that a dataset consists of, each with any number of `physical` elements. */
export const ENTITY_NAMES: readonly string[] = [
  'dataTable',
  'spatialRaster',
  'spatialVector',
  'storedProcedure',
  'view',
  'otherEntity',
]

/**
 * Children of an entity and of a physical, as far as an inserted element has to stand behind them: the schema's order
 * (EML 2.2.0, eml-entity.xsd and eml-physical.xsd), which is strict. Equal numbers may mix.
 */
export const PLACE_IN_ENTITY: Readonly<Record<string, number>> = {
  alternateIdentifier: 0,
  entityName: 1,
  entityDescription: 2,
  physical: 3,
}

export const PLACE_IN_PHYSICAL: Readonly<Record<string, number>> = {
  objectName: 0,
  size: 1,
  authentication: 2,
  compressionMethod: 3,
  encodingMethod: 3,
  characterEncoding: 4,
  dataFormat: 5,
  distribution: 6,
}

export function objectNameElement(objectName: string): XmlElement {
  return { name: 'objectName', content: objectName }
}

export function sizeElement(sizeBytes: number): XmlElement {
  return { name: 'size', attributes: { unit: 'byte' }, content: String(sizeBytes) }
}

/** PASTA knows the methods MD5 and SHA-1, and compares the digests untrimmed. */
export function authenticationElement(method: 'MD5' | 'SHA-1', digest: string): XmlElement {
  return { name: 'authentication', attributes: { method }, content: digest }
}

export function urlElement(url: string): XmlElement {
  return { name: 'url', attributes: { function: 'download' }, content: url }
}

export function onlineElement(url: string): XmlElement {
  return { name: 'online', isInline: true, content: [urlElement(url)] }
}

export function distributionElement(url: string): XmlElement {
  return { name: 'distribution', content: [onlineElement(url)] }
}

export function dataFormatElement(formatName: string): XmlElement {
  const name = { name: 'formatName', content: formatName, isInline: true }
  const format = { name: 'externallyDefinedFormat', content: [name], isInline: true }
  return { name: 'dataFormat', content: [format] }
}

/** The `physical` element of one file. */
export function physicalElement(physical: Physical): XmlElement {
  return {
    name: 'physical',
    content: [
      objectNameElement(physical.objectName),
      sizeElement(physical.sizeBytes),
      authenticationElement('MD5', physical.md5),
      authenticationElement('SHA-1', physical.sha1),
      dataFormatElement(physical.formatName),
      distributionElement(physical.url),
    ],
  }
}

/** The `physical` element of one file, to be pasted into an EML 2.2.0 document. */
export function physicalFragment(physical: Physical): string {
  return `${renderElement(physicalElement(physical), layoutAt('\n'))}\n`
}

/** A file of a package: named by its path, which no other file of it has. */
export interface PackageEntity extends Physical {
  path: string
}

/**
 * All files of a package, as entities to be moved into the `dataset` of an EML 2.2.0 document, behind what describes the
 * dataset itself. Yields text in pieces of moderate size.
 *
 * The root has no meaning in EML; it makes the whole one document, so that any XML tool reads it.
 */
export function* entitiesDocument(packageId: string, entities: Iterable<PackageEntity>): Generator<string> {
  yield `<?xml version="1.0" encoding="UTF-8"?>
<!-- Move these elements into the dataset element of your EML document, behind project, methods and contact. -->
<entities package="${packageId}">
`
  const layout = layoutAt('\n  ')
  for (const entity of entities) yield `  ${renderElement(otherEntityElement(entity), layout)}\n`
  yield '</entities>\n'
}

function otherEntityElement(entity: PackageEntity): XmlElement {
  return {
    name: 'otherEntity',
    content: [
      { name: 'entityName', content: entity.path },
      physicalElement(entity),
      { name: 'entityType', content: entity.formatName },
    ],
  }
}

function layoutAt(lineStart: string): Layout {
  return { lineStart, unit: '  ', prefix: '' }
}
