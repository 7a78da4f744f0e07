// The folder of `--profile`: a profile for each row, server and thread, that of the last round.

import { mkdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Cost, type CpuProfile, costsOf } from './costs.js'

const SHOWN_COUNT = 12

export class ProfileFolder {
  readonly #directory: string
  /** By what was profiled: the files of its threads. */
  readonly #files = new Map<string, readonly string[]>()
  #row = ''

  private constructor(directory: string) {
    this.#directory = directory
  }

  static async open(directory: string): Promise<ProfileFolder> {
    await mkdir(directory, { recursive: true })
    return new ProfileFolder(resolve(directory))
  }

  /** What the next profiles are of: a row on a store, under some flags. */
  begin(row: string): void {
    this.#row = row
  }

  /** What the files of one server's threads begin with. */
  prefixFor(server: string): string {
    return join(this.#directory, `${this.#row}-${server}`)
  }

  add(server: string, files: readonly string[]): void {
    this.#files.set(`${this.#row}, ${server}`, files)
  }

  /** For people: what costs most in each thread that did anything. */
  async summary(): Promise<string> {
    const texts: string[] = []
    for (const [title, files] of this.#files) {
      for (const file of files) {
        const { busyMs, top } = costsOf(JSON.parse(await readFile(file, 'utf8')) as CpuProfile, SHOWN_COUNT)
        if (top.length === 0) continue
        texts.push(`${title}: ${file}, busy for ${busyMs.toFixed(0)} ms`, ...top.map(costText))
      }
    }
    return texts.join('\n')
  }
}

function costText(cost: Cost): string {
  const percent = (100 * cost.share).toFixed(1).padStart(5)
  return `  ${percent} %  ${cost.selfMs.toFixed(0).padStart(6)} ms  ${cost.function}`
}
