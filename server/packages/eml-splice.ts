// Changes of a text at places that are known beforehand, made all at once. What isn't named stays as it is. Pure.

import type { SourceElement } from './eml-reader.js'
import { deeper, escapeXml, type Layout, renderElement, type XmlElement } from './eml-xml.js'

interface Change {
  start: number
  /** Exclusive; `start` for what is only put in. */
  end: number
  text: string
}

/** Longer ones are somebody's joke, which we don't repeat in front of every line. */
const MOST_INDENTATION = 100
const MOST_UNIT = 16

export class Splice {
  readonly #text: string
  readonly #changes: Change[] = []

  constructor(text: string) {
    this.#text = text
  }

  /** Gives `element` this value, unless it has it; its tags and attributes stay as they are written. */
  setValue(element: SourceElement, value: string): void {
    if (element.text === value) return
    if (element.isEmptyTag) {
      this.#replace(element.end - '/>'.length, element.end, `>${escapeXml(value)}</${this.#nameOf(element)}>`)
    } else {
      this.#replace(element.contentStart, element.contentEnd, escapeXml(value))
    }
  }

  /** Puts another element in the place of this one. */
  replaceElement(element: SourceElement, by: XmlElement): void {
    const layout = { lineStart: null, unit: '', prefix: prefixIn(element) }
    this.#replace(element.start, element.end, renderElement(by, layout))
  }

  /**
   * Puts elements into `parent`, each behind the last child that the order wants before it or that is its like.
   *
   * @param placeOf a child's place in the order, by its name
   * @param unit what one level more is indented by, here
   */
  insert(
    parent: SourceElement,
    elements: readonly XmlElement[],
    placeOf: Readonly<Record<string, number>>,
    unit: string,
  ): void {
    const layout = this.#layoutIn(parent, unit)
    const textBehind = new Map<SourceElement | undefined, string>()
    for (const element of elements) {
      const anchor = parent.children.findLast((child) => isBefore(child.localName, element.name, placeOf))
      const line = (layout.lineStart ?? '') + renderElement(element, layout)
      textBehind.set(anchor, (textBehind.get(anchor) ?? '') + line)
    }
    for (const [anchor, added] of textBehind) {
      if (anchor === undefined) this.#insertFirst(parent, added)
      else this.#replace(anchor.end, anchor.end, added)
    }
  }

  /** The whole text, changed. */
  apply(): string {
    const pieces: string[] = []
    let done = 0
    // What is put in at a place stands before what is changed from there on.
    for (const change of this.#changes.sort((a, b) => a.start - b.start || a.end - b.end)) {
      pieces.push(this.#text.slice(done, change.start), change.text)
      done = change.end
    }
    return pieces.join('') + this.#text.slice(done)
  }

  /** How much deeper the first of `children` with a line of its own stands than their parent. */
  unitOf(parent: SourceElement): string | null {
    const outer = this.#lineStart(parent)
    const inner = this.#lineStartOfChildren(parent)
    if (outer === null || inner === null || !inner.startsWith(outer)) return null
    const unit = inner.slice(outer.length)
    return unit === '' || unit.length > MOST_UNIT ? null : unit
  }

  #insertFirst(parent: SourceElement, text: string): void {
    const { contentStart, contentEnd, end, isEmptyTag } = parent
    const lastStart = this.#lineStart(parent) ?? ''
    if (isEmptyTag) {
      this.#replace(end - '/>'.length, end, `>${text}${lastStart}</${this.#nameOf(parent)}>`)
    } else if (this.#text.slice(contentStart, contentEnd).trim() === '') {
      this.#replace(contentStart, contentEnd, text + lastStart)
    } else {
      this.#replace(contentStart, contentStart, text)
    }
  }

  #replace(start: number, end: number, text: string): void {
    this.#changes.push({ start, end, text })
  }

  #layoutIn(parent: SourceElement, unit: string): Layout {
    const outer = { lineStart: this.#lineStart(parent), unit, prefix: prefixIn(parent) }
    if (parent.children.length === 0) return deeper(outer)
    return { ...outer, lineStart: this.#lineStartOfChildren(parent) }
  }

  #lineStartOfChildren(parent: SourceElement): string | null {
    for (const child of parent.children) {
      const lineStart = this.#lineStart(child)
      if (lineStart !== null) return lineStart
    }
    return null
  }

  /** The line's end and the white space before `element`, when nothing else is there. */
  #lineStart({ start }: SourceElement): string | null {
    const text = this.#text
    let at = start
    while (start - at < MOST_INDENTATION && (text[at - 1] === ' ' || text[at - 1] === '\t')) at -= 1
    if (text[at - 1] === '\n') at -= text[at - 2] === '\r' ? 2 : 1
    else if (text[at - 1] === '\r') at -= 1
    else return null
    return text.slice(at, start)
  }

  #nameOf({ prefix, localName }: SourceElement): string {
    return prefix === '' ? localName : `${prefix}:${localName}`
  }
}

/** What is put into an element takes its prefix, and with it its namespace. */
function prefixIn({ prefix }: SourceElement): string {
  return prefix === '' ? '' : `${prefix}:`
}

function isBefore(child: string, inserted: string, placeOf: Readonly<Record<string, number>>): boolean {
  const place = placeOf[child]
  return place !== undefined && place <= (placeOf[inserted] ?? 0)
}
