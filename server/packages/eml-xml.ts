// Elements that we write into EML, and how they are laid out. Pure.

export interface XmlElement {
  name: string
  attributes?: Readonly<Record<string, string>>
  content: string | readonly XmlElement[]
  /** Stands on its parent's line even when elements have lines of their own. */
  isInline?: boolean
}

export interface Layout {
  /** What stands before an element on a line of its own, from the line's end on: `\n    `. Null: all on one line. */
  lineStart: string | null
  /** What one level more is indented by. */
  unit: string
  /** Of every name, with its colon; or nothing. */
  prefix: string
}

/** `element` as text, its first line without `lineStart`. */
export function renderElement(element: XmlElement, layout: Layout): string {
  const name = layout.prefix + element.name
  const { content } = element
  if (typeof content === 'string') return `${startTag(name, element)}${escapeXml(content)}</${name}>`
  const inner = deeper(layout)
  const children = content.map((child) =>
    child.isInline === true
      ? renderElement(child, layout)
      : (inner.lineStart ?? '') + renderElement(child, inner),
  )
  const lastStart = content.at(-1)?.isInline === true ? '' : (layout.lineStart ?? '')
  return `${startTag(name, element)}${children.join('')}${lastStart}</${name}>`
}

/** The layout of a child. */
export function deeper(layout: Layout): Layout {
  const { lineStart, unit } = layout
  return { ...layout, lineStart: lineStart === null ? null : lineStart + unit }
}

function startTag(name: string, { attributes = {} }: XmlElement): string {
  const rest = Object.entries(attributes).map(([key, value]) => ` ${key}="${escapeXml(value)}"`)
  return `<${name}${rest.join('')}>`
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
}

/** `text` as character data or the value of an attribute. What XML can't hold in any form becomes U+FFFD. */
export function escapeXml(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[\p{Cc}\uFFFE\uFFFF]/gu, '\uFFFD')
    .replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character)
}
