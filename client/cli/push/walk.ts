// The files under what was named on the command line, one after the other, with the paths that they will have on the server.
//
// Reads folders and asks about files; opens none. Only the listings of the folders on the way down are in memory.

import { readdir, realpath, stat } from 'node:fs/promises'
import nodePath from 'node:path'
import { readTrouble } from '../file-trouble.js'
import type { NameFilter } from './name-filter.js'
import { pathFault } from './path-rule.js'

export interface LocalFile {
  readonly kind: 'file'
  /** Where it is, as the user would type it. */
  readonly path: string
  /** What the server calls it: in NFC, with slashes. */
  readonly relativePath: string
  readonly sizeBytes: number
  /** Another one when the file was changed or replaced: size, time of change in ns, inode. */
  readonly version: string
}

export interface Unsendable {
  /** `refused`: data that will not arrive. `skipped`: nothing that could be sent, or that is sent under another name. */
  readonly kind: 'refused' | 'skipped'
  readonly path: string
  /** Ends the sentence "<path> was not sent: …". */
  readonly reason: string
}

export type Found = LocalFile | Unsendable

interface Entry {
  path: string
  name: string
  /** Why nothing with this name can be sent. */
  fault: string | null
  type: 'file' | 'folder' | 'link' | 'other'
}

/** What an entry turned out to be. */
type Look = Found | { kind: 'folder'; entry: Entry; isLink: boolean; id: string | null } | null

interface Listing {
  /** '' for a folder whose own name doesn't count. */
  relativePath: string
  pathInRoot: string
  entries: Entry[]
  next: number
  looks: Look[]
  /** Beyond a link that leads out of the tree. */
  isOutside: boolean
}

const LOOKS_AT_ONCE = 32

/**
 * Every file, sorted by name within its folder; the roots in their order.
 *
 * `data` gives `data/…`; `data/`, `.` and `..` give what is in them without the folder's name; a file gives its name. Links
 * to files are followed. A link to a folder is entered only when `isFollowing` and it leads out of the tree: nobody named what
 * lies there. Each folder out there is entered once.
 */
export async function* walk(
  roots: readonly string[],
  filter: NameFilter,
  { isFollowing = false } = {},
): AsyncGenerator<Found, void, undefined> {
  const tree = new Tree(filter, isFollowing, await realFolders(roots))
  for (const root of roots) yield* tree.walkRoot(root)
}

class Tree {
  readonly #filter: NameFilter
  readonly #isFollowing: boolean
  readonly #realRoots: readonly string[]
  /** Device and inode of folders that were entered beyond a link. */
  readonly #outside = new Set<string>()

  constructor(filter: NameFilter, isFollowing: boolean, realRoots: readonly string[]) {
    this.#filter = filter
    this.#isFollowing = isFollowing
    this.#realRoots = realRoots
  }

  async *walkRoot(root: string): AsyncGenerator<Found, void, undefined> {
    let stats: Stats
    try {
      stats = await statOf(root)
    } catch (error) {
      yield { kind: 'refused', path: root, reason: readTrouble(error) }
      return
    }
    const name = nameOfRoot(root)
    const fault = name === '' ? null : pathFault(name)
    if (fault !== null) yield { kind: 'refused', path: root, reason: fault }
    else if (stats.isDirectory()) yield* this.#walkFolder(root, name)
    else if (!stats.isFile())
      yield { kind: 'refused', path: root, reason: `it is ${kindWords(stats)}, not a file` }
    else if (this.#filter.takesFile(name, name)) yield fileOf(root, name, stats)
  }

  async *#walkFolder(root: string, relativePath: string): AsyncGenerator<Found, void, undefined> {
    const stack: Listing[] = []
    const enter = async (path: string, listing: Omit<Listing, 'entries' | 'next' | 'looks'>) => {
      try {
        stack.push({ ...listing, entries: await listFolder(path), next: 0, looks: [] })
        return null
      } catch (error) {
        return { kind: 'refused', path, reason: `${readTrouble(error)}; nothing in it was sent` } as const
      }
    }
    const fault = await enter(root, { relativePath, pathInRoot: '', isOutside: false })
    if (fault !== null) yield fault

    for (let listing = stack.at(-1); listing !== undefined; listing = stack.at(-1)) {
      const look = await this.#nextLook(listing)
      if (look === undefined) {
        stack.pop()
      } else if (look === null) {
        // Not wanted.
      } else if (look.kind === 'folder') {
        const { entry, isLink } = look
        const known = await this.#knownFolder(look, listing.isOutside)
        if (known !== null) {
          yield { kind: 'skipped', path: entry.path, reason: known }
          continue
        }
        const refused = await enter(entry.path, {
          relativePath: join(listing.relativePath, entry.name),
          pathInRoot: join(listing.pathInRoot, entry.name),
          isOutside: listing.isOutside || isLink,
        })
        if (refused !== null) yield refused
      } else {
        yield look
      }
    }
  }

  /** Undefined at the listing's end. */
  async #nextLook(listing: Listing): Promise<Look | undefined> {
    const ready = listing.looks.shift()
    if (ready !== undefined) return ready
    const { entries, next } = listing
    const batch = entries.slice(next, next + LOOKS_AT_ONCE)
    listing.next += batch.length
    listing.looks = await Promise.all(batch.map((entry) => this.#look(entry, listing)))
    return listing.looks.shift()
  }

  async #look(entry: Entry, listing: Listing): Promise<Look> {
    const { name, path } = entry
    if (entry.fault !== null) return { kind: 'refused', path, reason: entry.fault }
    const relativePath = join(listing.relativePath, name)
    const pathInRoot = join(listing.pathInRoot, name)
    const { takesFile, entersFolder } = this.#filter
    if (entry.type === 'file' && !takesFile(relativePath, pathInRoot)) return null
    if (!entersFolder(relativePath, pathInRoot)) return null
    const fault = pathFault(relativePath)
    if (entry.type === 'folder') {
      if (fault === null) return { kind: 'folder', entry, isLink: false, id: null }
      return { kind: 'refused', path, reason: `${fault} (nothing in this folder was sent)` }
    }
    let stats: Stats
    try {
      stats = await statOf(path)
    } catch (error) {
      if (!takesFile(relativePath, pathInRoot)) return null
      const isBroken = entry.type === 'link' && isMissing(error)
      return {
        kind: 'refused',
        path,
        reason: isBroken ? 'it is a symbolic link that leads to nothing' : readTrouble(error),
      }
    }
    if (stats.isDirectory()) return { kind: 'folder', entry, isLink: entry.type === 'link', id: idOf(stats) }
    if (!takesFile(relativePath, pathInRoot)) return null
    if (!stats.isFile()) return { kind: 'skipped', path, reason: `it is ${kindWords(stats)}, not a file` }
    return fault === null ? fileOf(path, relativePath, stats) : { kind: 'refused', path, reason: fault }
  }

  /** Why a folder isn't entered, or null when it is. */
  async #knownFolder(
    look: { entry: Entry; isLink: boolean; id: string | null },
    isOutside: boolean,
  ): Promise<string | null> {
    const { path } = look.entry
    try {
      if (look.isLink) {
        const real = await realpath(path)
        if (this.#realRoots.some((root) => isWithin(real, root))) {
          return 'it is a link to a folder that is sent under its own name'
        }
        if (!this.#isFollowing)
          return 'it is a link to a folder outside; push that folder itself, or add --follow'
      } else if (!isOutside) {
        return null
      }
      const id = look.id ?? idOf(await statOf(path))
      if (this.#outside.has(id)) return 'it leads to a folder that was entered by another link already'
      this.#outside.add(id)
      return null
    } catch (error) {
      return readTrouble(error)
    }
  }
}

type Stats = Awaited<ReturnType<typeof statOf>>

function statOf(path: string) {
  return stat(path, { bigint: true })
}

function fileOf(path: string, relativePath: string, stats: Stats): LocalFile {
  return {
    kind: 'file',
    path,
    relativePath: relativePath.normalize('NFC'),
    sizeBytes: Number(stats.size),
    version: versionOf(stats),
  }
}

/** Of a file as it is now. */
export function versionOf(stats: { size: bigint; mtimeNs: bigint; ino: bigint }): string {
  return `${stats.size}-${stats.mtimeNs}-${stats.ino}`
}

function idOf({ dev, ino }: { dev: bigint; ino: bigint }): string {
  return `${dev}-${ino}`
}

/** As latin1, in which each byte is a character: so names that aren't UTF-8 can be told apart at the cost of a string. */
async function listFolder(folder: string): Promise<Entry[]> {
  const dirents = await readdir(folder, { withFileTypes: true, encoding: 'latin1' })
  const entries = dirents.map((dirent): Entry => {
    const utf8 = utf8Of(dirent.name)
    const name = utf8 ?? escapedBytes(dirent.name)
    return {
      path: nodePath.join(folder, name),
      name,
      fault: utf8 === null ? 'its name is not valid UTF-8; rename it' : null,
      type: dirent.isFile()
        ? 'file'
        : dirent.isDirectory()
          ? 'folder'
          : dirent.isSymbolicLink()
            ? 'link'
            : 'other',
    }
  })
  entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  refuseTwins(entries)
  return entries
}

/** Two names that are one to the server, which knows them in NFC: é as one character, and as e with an accent. */
function refuseTwins(entries: readonly Entry[]): void {
  const names = new Map<string, string>()
  for (const entry of entries) {
    if (isAscii(entry.name)) continue
    const normal = entry.name.normalize('NFC')
    const twin = names.get(normal)
    if (twin === undefined) names.set(normal, entry.name)
    else
      entry.fault ??= 'its name differs from that of another file only in how accents are encoded; rename one'
  }
}

function isAscii(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is the range
  return /^[\x00-\x7f]*$/.test(text)
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function utf8Of(latin1: string): string | null {
  if (isAscii(latin1)) return latin1
  try {
    return utf8.decode(Buffer.from(latin1, 'latin1'))
  } catch {
    return null
  }
}

function escapedBytes(latin1: string): string {
  return latin1.replaceAll(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`)
}

/** '' when the folder's own name doesn't count. */
export function nameOfRoot(root: string): string {
  const last = root.split(nodePath.sep).at(-1) ?? ''
  return last === '.' || last === '..' ? '' : last
}

function join(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`
}

/** The roots that are folders, as they are without links. */
async function realFolders(roots: readonly string[]): Promise<string[]> {
  const real = await Promise.all(roots.map((root) => realpath(root).catch(() => null)))
  return real.filter((path) => path !== null)
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(nodePath.sep) ? folder : folder + nodePath.sep)
}

function isMissing(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT'
}

function kindWords(stats: Stats): string {
  if (stats.isFIFO()) return 'a named pipe (FIFO)'
  if (stats.isSocket()) return 'a socket'
  return stats.isBlockDevice() || stats.isCharacterDevice() ? 'a device' : 'something special'
}
