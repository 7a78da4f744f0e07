// Building DOM without markup strings: text is always set as text, so nothing a file is named can become HTML.

type Attributes = Record<string, string | boolean>

/** An element with its attributes (`true`: present, `false`: absent) and children; strings become text nodes. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, '')
    else if (value !== false) made.setAttribute(name, value)
  }
  made.append(...children)
  return made
}

/** The element of index.html with this id. A missing one, or one of another kind, is a bug: throws. */
export function byId<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id)
  if (!(found instanceof kind)) throw new Error(`index.html has no ${kind.name} with id ${id}`)
  return found
}

/** Sets text only when it differs, so that a selection or a screen reader isn't disturbed by each poll. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text
}
