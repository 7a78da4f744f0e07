// How long what is kept: the retention classes of packages. Pure.

import { AppError } from '../errors.js'

export interface RetentionClass {
  name: string
  /** From a file's start, and from finalizing for the whole package; null: it is never swept. */
  ttlSeconds: number | null
}

/** Stands for "never" where a time has to stand: sorts behind everything, and no sweep lives to see it. */
export const NEVER = new Date('9999-12-31T00:00:00Z')

export function isNever(at: Date): boolean {
  return at.getTime() >= NEVER.getTime()
}

/** RFC 3339; null for never. */
export function endOf(expiresAt: Date): string | null {
  return isNever(expiresAt) ? null : expiresAt.toISOString()
}

/** What the operator offers, in the order of the setting. */
export class RetentionClasses {
  readonly #classes: readonly RetentionClass[]

  /** @param classes at least one; the first is that of packages which don't name theirs */
  constructor(classes: readonly RetentionClass[]) {
    this.#classes = classes
  }

  /** @param name null: the first one. @throws INVALID_INPUT that names those there are */
  get(name: string | null): RetentionClass {
    const found = this.find(name ?? this.#classes[0]?.name ?? '')
    if (found !== undefined) return found
    const known = this.#classes.map((one) => one.name).join(', ')
    throw new AppError('INVALID_INPUT', `There is no retention class "${name}". This server has ${known}.`)
  }

  /**
   * Seconds that a file of a package of class `name` is kept; null: for ever.
   *
   * A class that the operator has taken away since keeps what it has: for ever, until somebody decides.
   */
  ttlSecondsOf(name: string): number | null {
    return this.find(name)?.ttlSeconds ?? null
  }

  find(name: string): RetentionClass | undefined {
    return this.#classes.find((one) => one.name === name)
  }
}
