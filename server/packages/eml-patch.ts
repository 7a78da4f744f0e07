// Fills the physicals of an EML document with what is known of the files of a package. Pure.

import {
  authenticationElement,
  dataFormatElement,
  distributionElement,
  objectNameElement,
  onlineElement,
  PLACE_IN_ENTITY,
  PLACE_IN_PHYSICAL,
  physicalElement,
  sizeElement,
  urlElement,
} from './eml.js'
import { isReady, type PackageFile, type PackageFiles, type ReadyFile } from './eml-files.js'
import type { SourceElement } from './eml-reader.js'
import { Splice } from './eml-splice.js'
import type { XmlElement } from './eml-xml.js'

/** Why a physical wasn't filled. */
export const MISSING_REASONS = ['no file', 'not ready', 'ambiguous', 'no name'] as const

export interface Matched {
  objectName: string
  /** The entity's name. */
  entity: string
  file: ReadyFile
}

export interface Missing {
  /** Null where the document gives none. */
  objectName: string | null
  entity: string
  reason: (typeof MISSING_REASONS)[number]
}

export interface Patched {
  document: string
  matched: Matched[]
  missing: Missing[]
  /** Ready files that no physical was filled with, in their order. */
  unused: ReadyFile[]
}

/** What is told of a name is no longer than this; the document keeps the whole. */
const MOST_NAME_CHARACTERS = 1_100

/** Entities that one step fills: some milliseconds. */
const STEP_ENTITIES = 200

/**
 * Fills every physical whose objectName is a file's path or name: size, MD5, SHA-1 and URL, and nothing else is changed
 * by a byte. An entity without a physical, and a physical without an objectName, are known by the entity's name, and get
 * what they lack. What only refers to another element is left to that one. Patching the result again changes nothing.
 *
 * Goes step by step, as EmlReader does: `while (patch.step()) …`, and then its `result()`.
 */
export class EmlPatch {
  readonly #entities: readonly SourceElement[]
  readonly #files: PackageFiles
  readonly #splice: Splice
  readonly #used = new Set<PackageFile>()
  readonly #matched: Matched[] = []
  readonly #missing: Missing[] = []
  #done = 0
  /** The document's own, as far as seen. */
  #unit = '  '

  /** @param entities of this very text, as EmlReader finds them */
  constructor(text: string, entities: readonly SourceElement[], files: PackageFiles) {
    this.#entities = entities
    this.#files = files
    this.#splice = new Splice(text)
  }

  /** @returns false when all is filled */
  step(): boolean {
    const end = this.#done + STEP_ENTITIES
    for (const entity of this.#entities.slice(this.#done, end)) this.#addEntity(entity)
    this.#done = end
    return end < this.#entities.length
  }

  result(): Patched {
    return {
      document: this.#splice.apply(),
      matched: this.#matched,
      missing: this.#missing,
      unused: this.#files.all.filter(isReady).filter((file) => !this.#used.has(file)),
    }
  }

  #addEntity(entity: SourceElement): void {
    if (isReference(entity)) return
    this.#unit = this.#splice.unitOf(entity) ?? this.#unit
    const entityName = childOf(entity, 'entityName')?.text ?? ''
    const physicals = childrenOf(entity, 'physical')
    for (const physical of physicals) {
      if (!isReference(physical)) this.#addPhysical(physical, entityName)
    }
    if (physicals.length > 0) return
    const file = this.#match(null, entityName)
    if (file === null) return
    const element = physicalElement({ objectName: this.#files.objectNameOf(file), ...file.facts })
    this.#splice.insert(entity, [element], PLACE_IN_ENTITY, this.#unit)
  }

  #addPhysical(physical: SourceElement, entityName: string): void {
    const objectName = childOf(physical, 'objectName')
    const file = this.#match(objectName?.text ?? null, entityName)
    if (file === null) return
    const missing: XmlElement[] = []
    if (objectName === undefined) missing.push(objectNameElement(this.#files.objectNameOf(file)))
    else if (objectName.text.trim() === '') {
      this.#splice.setValue(objectName, this.#files.objectNameOf(file))
    }
    this.#setSize(physical, file, missing)
    this.#setDigest(physical, 'MD5', file.facts.md5, missing)
    this.#setDigest(physical, 'SHA-1', file.facts.sha1, missing)
    // One without an objectName is no more than a place for all of it.
    if (objectName === undefined && childOf(physical, 'dataFormat') === undefined) {
      missing.push(dataFormatElement(file.facts.formatName))
    }
    this.#setUrl(physical, file.facts.url, missing)
    this.#splice.insert(physical, missing, PLACE_IN_PHYSICAL, this.#unit)
  }

  /** The file that is meant, written down as matched; null, written down as missing. */
  #match(objectName: string | null, entityName: string): ReadyFile | null {
    const given = objectName !== null && objectName.trim() !== '' ? objectName : null
    const name = given ?? entityName
    const entity = shown(entityName)
    const found = name.trim() === '' ? null : this.#files.find(name)
    if (found && found !== 'ambiguous' && isReady(found)) {
      this.#used.add(found)
      this.#matched.push({ objectName: shown(given ?? this.#files.objectNameOf(found)), entity, file: found })
      return found
    }
    this.#missing.push({
      objectName: given === null ? null : shown(given),
      entity,
      reason: reasonOf(found),
    })
    return null
  }

  #setSize(physical: SourceElement, file: ReadyFile, missing: XmlElement[]): void {
    const element = sizeElement(file.facts.sizeBytes)
    const size = childOf(physical, 'size')
    if (size === undefined) missing.push(element)
    else if (size.attributes.unit === 'byte') this.#splice.setValue(size, String(file.facts.sizeBytes))
    else this.#splice.replaceElement(size, element)
  }

  /** Every one of the method is set: an old one that stayed would be compared, too. */
  #setDigest(physical: SourceElement, method: 'MD5' | 'SHA-1', digest: string, missing: XmlElement[]): void {
    const element = authenticationElement(method, digest)
    const ofMethod = childrenOf(physical, 'authentication').filter((one) => methodOf(one) === method)
    for (const one of ofMethod) {
      if (METHODS_OF_PASTA.has(one.attributes.method ?? '')) this.#splice.setValue(one, digest)
      else this.#splice.replaceElement(one, element)
    }
    if (ofMethod.length === 0) missing.push(element)
  }

  /** PASTA pulls the first one that isn't for information only. */
  #setUrl(physical: SourceElement, url: string, missing: XmlElement[]): void {
    const distributions = childrenOf(physical, 'distribution')
    const onlines = distributions.flatMap((distribution) => childrenOf(distribution, 'online'))
    const pulled = onlines
      .flatMap((online) => childrenOf(online, 'url'))
      .find((one) => one.attributes.function !== 'information')
    if (pulled !== undefined) {
      this.#splice.setValue(pulled, url)
      return
    }
    const unfinished = onlines.find((online) => !childOf(online, 'url') && !childOf(online, 'connection'))
    const empty = distributions.find((distribution) => distribution.children.length === 0)
    if (unfinished !== undefined) {
      this.#splice.insert(unfinished, [urlElement(url)], { onlineDescription: 0, url: 1 }, this.#unit)
    } else if (empty !== undefined) {
      this.#splice.insert(empty, [onlineElement(url)], { online: 0 }, this.#unit)
    } else {
      missing.push(distributionElement(url))
    }
  }
}

/** As PASTA writes them. Others it doesn't know, whatever they mean. */
const METHODS_OF_PASTA = new Set(['MD5', 'SHA-1', 'SHA1'])

function methodOf({ attributes }: SourceElement): 'MD5' | 'SHA-1' | null {
  const method = (attributes.method ?? '').trim().toUpperCase().replaceAll(/[-_ ]/g, '')
  if (method === 'MD5') return 'MD5'
  return method === 'SHA1' ? 'SHA-1' : null
}

function reasonOf(found: PackageFile | 'ambiguous' | undefined | null): Missing['reason'] {
  if (found === null) return 'no name'
  if (found === undefined) return 'no file'
  return found === 'ambiguous' ? 'ambiguous' : 'not ready'
}

function isReference(element: SourceElement): boolean {
  return childOf(element, 'references') !== undefined
}

function childOf({ children }: SourceElement, name: string): SourceElement | undefined {
  return children.find(({ localName }) => localName === name)
}

function childrenOf({ children }: SourceElement, name: string): SourceElement[] {
  return children.filter(({ localName }) => localName === name)
}

function shown(name: string): string {
  const trimmed = name.trim()
  return trimmed.length <= MOST_NAME_CHARACTERS ? trimmed : `${trimmed.slice(0, MOST_NAME_CHARACTERS)}…`
}
