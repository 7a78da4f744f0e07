// Chance that can be had again: sfc32 ("small fast counter", Chris Doty-Humphrey, PractRand, public domain; passes its
// tests beyond 16 TB), as 32-bit JavaScript, and cyrb128 (bryc, public domain) to make its state of a name.
// https://github.com/bryc/code/blob/master/jshash/PRNGs.md

export interface Random {
  /** 0 ≤ x < 1, in steps of 2^-32. */
  next(): number
  /** A whole number, both ends included. */
  integer(from: number, to: number): number
  chance(probability: number): boolean
  pick<T>(list: readonly T[]): T
  /** The same, in another order. */
  shuffle<T>(list: readonly T[]): T[]
  /** One of its own: what it gives depends on seed and names alone, and not on what was taken from this one. */
  fork(name: string): Random
}

const WARM_UP_ROUNDS = 15

/** @param seed a whole number; the same one gives the same numbers on every machine */
export function randomFrom(seed: number): Random {
  return new Sfc32(String(seed))
}

class Sfc32 implements Random {
  readonly #name: string
  #a: number
  #b: number
  #c: number
  #counter: number

  constructor(name: string) {
    this.#name = name
    ;[this.#a, this.#b, this.#c, this.#counter] = hash128(name)
    for (let i = 0; i < WARM_UP_ROUNDS; i++) this.next()
  }

  next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    return (sum >>> 0) / 2 ** 32
  }

  integer(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1))
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(list: readonly T[]): T {
    const index = this.integer(0, list.length - 1)
    if (index >= list.length || index < 0) throw new Error('There is nothing to pick from.')
    // Just proven to be there, whatever T is.
    return list[index] as T
  }

  /** Fisher and Yates. */
  shuffle<T>(list: readonly T[]): T[] {
    const rest = [...list]
    const shuffled: T[] = []
    while (rest.length > 0) shuffled.push(...rest.splice(this.integer(0, rest.length - 1), 1))
    return shuffled
  }

  fork(name: string): Random {
    return new Sfc32(`${this.#name}/${name}`)
  }
}

function hash128(text: string): [number, number, number, number] {
  let [a, b, c, d] = [1_779_033_703, 3_144_134_277, 1_013_904_242, 2_773_480_762]
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    a = b ^ Math.imul(a ^ code, 597_399_067)
    b = c ^ Math.imul(b ^ code, 2_869_860_233)
    c = d ^ Math.imul(c ^ code, 951_274_213)
    d = a ^ Math.imul(d ^ code, 2_716_044_179)
  }
  a = Math.imul(c ^ (a >>> 18), 597_399_067)
  b = Math.imul(d ^ (b >>> 22), 2_869_860_233)
  c = Math.imul(a ^ (c >>> 17), 951_274_213)
  d = Math.imul(b ^ (d >>> 19), 2_716_044_179)
  return [a ^ b ^ c ^ d, b ^ a, c ^ a, d ^ a]
}
