// Where files are written: a folder, and nothing outside of it, whatever links lie in it.

import { randomBytes } from 'node:crypto'
import { lstat, mkdir, realpath, rm, writeFile } from 'node:fs/promises'
import nodePath from 'node:path'
import { diskKey, PART_SUFFIX, unsafePath } from './safe-path.js'

/** A path that nothing is written to; `message` ends the sentence "<path> was not pulled: …". */
export class UnsafePath extends Error {
  override readonly name = 'UnsafePath'
}

export class TargetFolder {
  readonly path: string
  readonly #realPath: string
  /** Made, or looked at, in this run: a package has many files and few folders. */
  readonly #folders = new Map<string, Promise<void>>()
  /** By `diskKey`: the paths that files of this run have, and those of their parts. */
  readonly #claims = new Map<string, string[]>()
  #joinsNames: Promise<boolean> | null = null

  private constructor(path: string, realPath: string) {
    this.path = path
    this.#realPath = realPath
  }

  /** Made when it isn't there. It may itself be a link: the user has named it. */
  static async open(path: string): Promise<TargetFolder> {
    await mkdir(path, { recursive: true })
    return new TargetFolder(path, await realpath(path))
  }

  /**
   * The local path for a file, with the folders above it made.
   *
   * @param relativePath the server's, with slashes
   * @throws UnsafePath for what would be written elsewhere, or over another file of this run
   */
  async place(relativePath: string): Promise<string> {
    const fault = unsafePath(relativePath, process.platform)
    if (fault !== null) throw new UnsafePath(fault)
    await this.#claim(relativePath)
    const segments = relativePath.split('/')
    for (let depth = 1; depth < segments.length; depth += 1) {
      await this.#enter(segments.slice(0, depth).join('/'))
    }
    const path = nodePath.join(this.path, ...segments)
    for (const one of [path, path + PART_SUFFIX]) await refuseLink(one)
    return path
  }

  async #claim(relativePath: string): Promise<void> {
    // Its part's, too: it would be renamed away from under the other file.
    const paths = [relativePath, relativePath + PART_SUFFIX]
    const twins = paths.map((path) => (this.#claims.get(diskKey(path)) ?? []).map((twin) => ({ path, twin })))
    for (const path of paths)
      this.#claims.set(diskKey(path), [...(this.#claims.get(diskKey(path)) ?? []), path])
    for (const { path, twin } of twins.flat()) {
      if (path === twin)
        throw new UnsafePath(`another file takes the path ${twin}. Pull it by its id, to another folder`)
      this.#joinsNames ??= joinsNames(this.path)
      if (await this.#joinsNames) {
        throw new UnsafePath(
          `it would be the same file as ${twin} on this disk. Pull it by its id, to another folder`,
        )
      }
    }
  }

  /** Makes a folder, or sees that the one there doesn't lead out. */
  #enter(relativePath: string): Promise<void> {
    let entered = this.#folders.get(relativePath)
    if (entered === undefined) {
      entered = this.#makeOrCheck(nodePath.join(this.path, relativePath))
      this.#folders.set(relativePath, entered)
    }
    return entered
  }

  async #makeOrCheck(path: string): Promise<void> {
    const stats = await lstat(path).catch(nullIfMissing)
    if (stats === null) {
      await mkdir(path, { recursive: true })
    } else if (stats.isSymbolicLink()) {
      const real = await realpath(path).catch(nullIfMissing)
      if (real === null || !isWithin(real, this.#realPath)) {
        throw new UnsafePath(`the folder ${path} is a symbolic link that leads out of ${this.path}`)
      }
    } else if (!stats.isDirectory()) {
      throw new UnsafePath(`${path} is not a folder`)
    }
  }
}

async function refuseLink(path: string): Promise<void> {
  const stats = await lstat(path).catch(nullIfMissing)
  if (stats?.isSymbolicLink()) throw new UnsafePath(`${path} is a symbolic link. Remove it`)
}

/** Whether two names that differ in case, or in how accents are encoded, are one on this disk. */
async function joinsNames(folder: string): Promise<boolean> {
  const name = `.antipasto-${randomBytes(8).toString('hex')}`
  const written = nodePath.join(folder, `${name}-\u00e9.part`)
  await writeFile(written, '', { flag: 'wx' })
  try {
    const others = [`${name}-\u00c9.PART`, `${name}-e\u0301.part`]
    const found = await Promise.all(
      others.map((other) => lstat(nodePath.join(folder, other)).catch(nullIfMissing)),
    )
    return found.some((stats) => stats !== null)
  } finally {
    await rm(written, { force: true })
  }
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(nodePath.sep) ? folder : folder + nodePath.sep)
}

function nullIfMissing(error: unknown): null {
  if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT') return null
  throw error
}
