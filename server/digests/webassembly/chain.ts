// What MD5, SHA-1 and SHA-256 have in common: a chaining value, taken through a fixed number of steps for every block.

import { Words } from './memory.js'
import { add, assign, i32, type Local, type Locals, type Statement } from './wasm.js'

/** Emits one algorithm's compression function step by step, so that a kernel can interleave it with another's. */
export interface Chain {
  readonly stepCount: number
  /** Before a block's first step. */
  begin(): Statement[]
  step(index: number): Statement[]
  /** After a block's last step. */
  end(): Statement[]
}

/** What a chain is made of: the function's local variables, and the block that is under way. */
export interface ChainSite {
  locals: Locals
  block: Words
}

/** The registers a, b, c … of a compression function, with the chaining value they start from and are added to. */
export class Registers<Name extends string> {
  readonly #names: readonly Name[]
  readonly #locals: readonly Local<'i32'>[]
  readonly #chainingValue: Words

  constructor(locals: Locals, names: readonly Name[], chainingValueAddress: number) {
    this.#names = names
    this.#locals = locals.list('i32', names.length)
    this.#chainingValue = new Words(i32(chainingValueAddress))
  }

  load(): Statement[] {
    return this.#locals.map((local, index) => assign(local, this.#chainingValue.load(index)))
  }

  addToChainingValue(): Statement[] {
    const value = this.#chainingValue
    return this.#locals.map((local, index) => value.store(index, add(value.load(index), local)))
  }

  /**
   * The registers under the names they have in step `stepIndex`.
   *
   * The standards move every value one register on after each step. Renaming the registers instead moves nothing.
   */
  inStep(stepIndex: number): Record<Name, Local<'i32'>> {
    const count = this.#names.length
    const registers = {} as Record<Name, Local<'i32'>> // every name is set in the loop
    for (const [position, name] of this.#names.entries()) {
      registers[name] = this.#locals[(position + count - (stepIndex % count)) % count]!
    }
    return registers
  }
}
