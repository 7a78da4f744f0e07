// Reads an EML document, and finds what may have to be changed: where in the text its entities and their physicals
// stand. A strict SAX parser that knows nothing of external entities; what isn't of interest isn't kept. Pure.

import { SaxesParser, type SaxesTagPlain } from 'saxes'
import { isAppError } from '../errors.js'
import { ENTITY_NAMES, PLACE_IN_ENTITY, PLACE_IN_PHYSICAL } from './eml.js'
import { localNameOf, Namespaces, prefixOf } from './eml-namespaces.js'
import { placeAt, refuseDocument } from './eml-text.js'

/** An element of the document: indices into its text, the end exclusive. */
export interface SourceElement {
  localName: string
  prefix: string
  attributes: Readonly<Record<string, string>>
  /** Of its `<`. */
  start: number
  /** Behind its start tag's `>`. */
  contentStart: number
  /** Of its end tag's `<`; `contentStart` when it is an empty-element tag. */
  contentEnd: number
  /** Behind its last `>`. */
  end: number
  isEmptyTag: boolean
  /** Character data directly in it, decoded; only of elements whose value counts. */
  text: string
  /** Those of its child elements that are of interest. */
  children: SourceElement[]
}

/** What a reader has to hold in memory is bounded by these, not only by the document's size. */
const MOST_DEPTH = 256
const MOST_ENTITIES_AND_PHYSICALS = 40_000
const MOST_ELEMENTS_KEPT = 250_000
const MOST_ATTRIBUTES = 1_000
const MOST_ATTRIBUTE_CHARACTERS = 64 * 1024
const MOST_TAG_CHARACTERS = 512 * 1024
const MOST_VALUE_CHARACTERS = 64 * 1024
const MOST_BEFORE_ROOT_CHARACTERS = 1024 * 1024

/** One step of reading: some milliseconds. */
const STEP_CHARACTERS = 16 * 1024

const EML_NAMESPACE = /^(https:\/\/eml\.ecoinformatics\.org|eml:\/\/ecoinformatics\.org)\/eml-2\.\d+(\.\d+)?$/

const CORRECT_IT = 'Correct it and send the document again.'

/** Children that are kept, by where their parent stands: under the root, the dataset, an entity … */
const KEPT: readonly ReadonlySet<string>[] = [
  new Set(),
  new Set(['dataset']),
  new Set(ENTITY_NAMES),
  new Set([...Object.keys(PLACE_IN_ENTITY), 'references']),
  new Set([...Object.keys(PLACE_IN_PHYSICAL), 'references']),
  new Set(['online', 'offline', 'inline', 'references']),
  new Set(['onlineDescription', 'url', 'connection']),
]

/** Elements with children of interest, below the entities. */
const PARENTS = new Set(['physical', 'distribution', 'online'])

/** Elements whose character data counts. None of them is kept within another. */
const WITH_VALUE = new Set(['entityName', 'objectName', 'size', 'authentication', 'url'])

function isValue({ localName }: SourceElement): boolean {
  return WITH_VALUE.has(localName)
}

/**
 * Reads `text` step by step, so that whoever has other things to do can do them in between:
 * `while (reader.step()) …`, and then its `entities`.
 *
 * @throws INVALID_INPUT with line and column for what isn't well-formed, isn't EML, or is built to do harm
 */
export class EmlReader {
  /** In the document's order. Complete when there are no more steps. */
  readonly entities: SourceElement[] = []
  readonly #text: string
  readonly #parser = new SaxesParser({ xmlns: false })
  readonly #namespaces = new Namespaces()
  /** From the root to where we are; null: nothing below is of interest. */
  readonly #open: (SourceElement | null)[] = []
  #position = 0
  #tagStart = 0
  #isInTag = false
  #attributes = 0
  #entitiesAndPhysicals = 0
  #kept = 0
  #rootUri = ''

  constructor(text: string) {
    this.#text = text
    const parser = this.#parser
    parser.on('xmldecl', ({ encoding }) => this.#checkEncoding(encoding))
    parser.on('doctype', () => this.#refuseDoctype())
    parser.on('opentagstart', () => this.#beginTag())
    parser.on('attribute', ({ value }) => this.#checkAttribute(value))
    parser.on('opentag', (tag) => this.#openTag(tag))
    parser.on('closetag', (tag) => this.#closeTag(tag))
  }

  /** @returns false when all is read */
  step(): boolean {
    const end = this.#position + STEP_CHARACTERS
    try {
      this.#parser.write(this.#text.slice(this.#position, end))
      this.#position = end
      this.#checkProgress()
      if (end < this.#text.length) return true
      this.#parser.close()
      return false
    } catch (error) {
      throw translateParserError(error)
    }
  }

  /** The parser gathers a value, a tag, and all that may stand before the root, character by character. */
  #checkProgress(): void {
    if (this.#rootUri === '' && this.#position > MOST_BEFORE_ROOT_CHARACTERS) {
      throw this.#refuse('The document does not begin with an element', CORRECT_IT)
    }
    if (this.#isInTag && this.#parser.position - this.#tagStart > MOST_TAG_CHARACTERS) {
      throw this.#refuse(`A tag has more than ${MOST_TAG_CHARACTERS} characters`, CORRECT_IT)
    }
    const element = this.#open.at(-1)
    if (!element || !isValue(element)) return
    if (this.#parser.position - element.contentStart > MOST_VALUE_CHARACTERS) {
      throw this.#refuse(
        `The value of ${element.localName} has more than ${MOST_VALUE_CHARACTERS} characters`,
        CORRECT_IT,
      )
    }
  }

  #beginTag(): void {
    this.#tagStart = this.#startOfTag()
    this.#isInTag = true
    this.#attributes = 0
    if (this.#open.length >= MOST_DEPTH) {
      throw this.#refuse(`Elements are nested more than ${MOST_DEPTH} deep`, CORRECT_IT)
    }
  }

  #checkAttribute(value: string): void {
    this.#attributes += 1
    if (this.#attributes > MOST_ATTRIBUTES) {
      throw this.#refuse(`An element has more than ${MOST_ATTRIBUTES} attributes`, CORRECT_IT)
    }
    if (value.length > MOST_ATTRIBUTE_CHARACTERS) {
      throw this.#refuse(`An attribute has more than ${MOST_ATTRIBUTE_CHARACTERS} characters`, CORRECT_IT)
    }
  }

  #openTag(tag: SaxesTagPlain): void {
    this.#isInTag = false
    try {
      this.#namespaces.open(tag.name, tag.attributes)
    } catch (error) {
      throw this.#refuse(
        `The document is not well-formed XML: ${error instanceof Error ? error.message : ''}`,
        CORRECT_IT,
      )
    }
    if (this.#open.length === 0) this.#checkRoot(tag)
    const element = this.#isOfInterest(tag.name) ? this.#keep(tag) : null
    this.#open.push(element)
    if (element !== null && isValue(element)) this.#listenFor(element)
  }

  #checkRoot({ name }: SaxesTagPlain): void {
    this.#rootUri = this.#namespaces.uriOf(name)
    if (localNameOf(name) === 'eml' && EML_NAMESPACE.test(this.#rootUri)) return
    throw this.#refuse(
      'The document is not EML: its root is not "eml" in a namespace such as https://eml.ecoinformatics.org/eml-2.2.0',
      'Send a whole EML document.',
    )
  }

  /** By the schema only the root has a namespace; documents in which all elements have its one are understood, too. */
  #isOfInterest(name: string): boolean {
    const depth = this.#open.length
    if (depth === 0) return true
    const parent = this.#open[depth - 1]
    if (!parent || !KEPT[depth]?.has(localNameOf(name))) return false
    if (depth > 3 && !PARENTS.has(parent.localName)) return false
    const uri = this.#namespaces.uriOf(name)
    return uri === '' || uri === this.#rootUri
  }

  #keep(tag: SaxesTagPlain): SourceElement {
    const element: SourceElement = {
      localName: localNameOf(tag.name),
      prefix: prefixOf(tag.name),
      attributes: tag.attributes,
      start: this.#tagStart,
      contentStart: this.#parser.position,
      contentEnd: this.#parser.position,
      end: this.#parser.position,
      isEmptyTag: tag.isSelfClosing,
      text: '',
      children: [],
    }
    this.#kept += 1
    if (this.#open.length === 2) this.entities.push(element)
    if (this.#open.length === 2 || element.localName === 'physical') this.#entitiesAndPhysicals += 1
    if (this.#entitiesAndPhysicals > MOST_ENTITIES_AND_PHYSICALS || this.#kept > MOST_ELEMENTS_KEPT) {
      throw this.#refuse(
        `The document has more than ${MOST_ENTITIES_AND_PHYSICALS} entities and physicals, or they have too many parts`,
        'Send it in several documents.',
      )
    }
    // The tree begins at the entities.
    if (this.#open.length > 2) this.#open.at(-1)?.children.push(element)
    return element
  }

  #closeTag(tag: SaxesTagPlain): void {
    this.#namespaces.close()
    const element = this.#open.pop()
    if (!element) return
    if (isValue(element)) {
      this.#parser.off('text')
      this.#parser.off('cdata')
    }
    element.end = this.#parser.position
    if (!tag.isSelfClosing) element.contentEnd = this.#startOfTag()
  }

  /** Text that nobody listens for isn't gathered. */
  #listenFor(element: SourceElement): void {
    const add = (data: string) => {
      if (this.#open.at(-1) === element) element.text += data
    }
    this.#parser.on('text', add)
    this.#parser.on('cdata', add)
  }

  /** Of the tag that the parser is in: there is no `<` between that of the tag and its name's end. */
  #startOfTag(): number {
    return this.#text.lastIndexOf('<', this.#parser.position - 1)
  }

  #checkEncoding(encoding: string | undefined): void {
    if (encoding === undefined || /^utf-?8$/i.test(encoding)) return
    throw this.#refuse(
      `The document says that it is in ${encoding.slice(0, 40)}`,
      'Save it in UTF-8, with encoding="UTF-8" in its first line, and send it again.',
    )
  }

  #refuseDoctype(): never {
    const start = this.#text.lastIndexOf('<!DOCTYPE', this.#parser.position)
    throw refuseDocument(
      'The document has a DOCTYPE, which is not taken',
      placeAt(this.#text, start),
      'Take it out; EML documents have no use for one.',
    )
  }

  #refuse(problem: string, whatToDo: string): Error {
    const { line, column } = this.#parser
    return refuseDocument(problem, { line, column: column + 1 }, whatToDo)
  }
}

/** saxes says `line:column: what`, columns from 0. */
function translateParserError(error: unknown): unknown {
  if (isAppError(error) || !(error instanceof Error)) return error
  const [, line, column, what = ''] = /^(\d+):(\d+): (.*)$/s.exec(error.message) ?? []
  if (line === undefined) return error
  const place = { line: Number(line), column: Number(column) + 1 }
  const problem = what.slice(0, MOST_MESSAGE_CHARACTERS).replace(/\.$/, '')
  return refuseDocument(`The document is not well-formed XML: ${problem}`, place, CORRECT_IT)
}

const MOST_MESSAGE_CHARACTERS = 200
