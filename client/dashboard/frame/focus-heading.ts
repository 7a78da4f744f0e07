// Where the focus goes when another view is shown: to its heading, so that a screen reader begins there.

let watch: AbortController | undefined

/**
 * Some views are loaded first, and say "Loading …" under a heading that another one replaces: the focus follows to that, unless
 * the user has gone on meanwhile.
 */
export function focusHeading(): void {
  const main = document.querySelector<HTMLElement>('main')
  if (main === null) return
  watch?.abort()
  const settled = new AbortController()
  watch = settled

  const shown = headingOnShow(main) ?? main
  shown.focus()
  const observer = new MutationObserver(() => {
    const { activeElement } = document
    if (activeElement === document.body || activeElement === main) headingOnShow(main)?.focus()
  })
  observer.observe(main, { childList: true, subtree: true })
  settled.signal.addEventListener('abort', () => observer.disconnect())
  for (const act of ['keydown', 'pointerdown'])
    addEventListener(act, () => settled.abort(), { capture: true, signal: settled.signal })
}

/** The focus has a better place than the heading. */
export function forgetHeading(): void {
  watch?.abort()
}

/** Of the view on show: the others are hidden. */
function headingOnShow(main: HTMLElement): HTMLElement | undefined {
  const headings = main.querySelectorAll<HTMLElement>(':is(h1, h2)[tabindex]')
  return [...headings].find((heading) => heading.offsetParent !== null)
}
