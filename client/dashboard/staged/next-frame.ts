// Changes that come in floods are taken together, once for each picture that the browser draws.

/** A hidden page draws none. */
const HIDDEN_MS = 100

/** Calls `flush` with all that was added, in the next animation frame. */
export function createFrameBatch<Item>(flush: (items: Set<Item>) => void): {
  add(item: Item): void
  /** At once, what is left. */
  end(): void
} {
  let items = new Set<Item>()
  let timer: ReturnType<typeof setTimeout> | undefined
  let frame = 0

  function run(): void {
    clearTimeout(timer)
    cancelAnimationFrame(frame)
    timer = undefined
    const all = items
    items = new Set()
    if (all.size > 0) flush(all)
  }

  return {
    add(item) {
      items.add(item)
      if (timer !== undefined) return
      timer = setTimeout(run, HIDDEN_MS)
      frame = requestAnimationFrame(run)
    },
    end: run,
  }
}
