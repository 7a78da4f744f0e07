// Which files the browser keeps a copy of, so that they go on after a crash without being asked for. Pure.

const MIB = 1024 * 1024

/**
 * A copy costs the disk as much as the file, and is written while the file is being sent. Up to 64 MiB that is a second; what
 * is larger goes on as well, but its owner shows the file once more.
 */
export const LARGEST_HELD_BYTES = 64 * MIB

/** All of them together: browsers clear a site up that takes much of the disk, and half a gigabyte is little anywhere. */
export const MOST_HELD_BYTES = 512 * MIB

/** Golden Retriever adds up all that it has before it takes one more: a folder of thousands would keep the page busy for minutes. */
export const MOST_HELD_FILES = 100

interface Holdable {
  id: string
  size: number | null
}

/**
 * The ids of those that are kept: in their order, each that still fits. What is kept already stays.
 *
 * @param files all that there are, with those that are kept already
 */
export function chooseHeld(files: Iterable<Holdable>, alreadyHeld: ReadonlySet<string>): Set<string> {
  const held = new Set<string>()
  const others: Holdable[] = []
  let bytes = 0
  const keep = ({ id, size }: Holdable) => {
    held.add(id)
    bytes += size ?? 0
  }
  for (const file of files) {
    if (alreadyHeld.has(file.id)) keep(file)
    else others.push(file)
  }
  for (const file of others) {
    if (held.size >= MOST_HELD_FILES) break
    if (file.size !== null && file.size <= LARGEST_HELD_BYTES && bytes + file.size <= MOST_HELD_BYTES)
      keep(file)
  }
  return held
}
