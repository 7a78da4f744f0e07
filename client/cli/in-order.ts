// Work on several things at once, with the results in the order of the things.

/** Up to `jobs` of `work` run at a time; a result waits for those before it. The first failure ends it. */
export async function* inOrder<Item, Result>(
  items: AsyncIterable<Item> | Iterable<Item>,
  jobs: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result, void, undefined> {
  const running: Promise<Result>[] = []
  try {
    for await (const item of items) {
      running.push(work(item))
      if (running.length >= jobs) yield (await running.shift()) as Result // there was one
    }
    for (let next = running.shift(); next !== undefined; next = running.shift()) yield await next
  } finally {
    // Nobody asks for these any more, so nobody would hear of their failures.
    await Promise.allSettled(running)
  }
}
