// SHA-1's compression function, FIPS 180-4 §6.1.2.

import { chainingValues } from '../algorithm.js'
import { type Chain, type ChainSite, Registers } from './chain.js'
import { sha1Schedule, type Words } from './memory.js'
import {
  add,
  addLanes,
  and,
  assign,
  type I32,
  type Local,
  type Locals,
  lanes,
  pickLanes,
  rotateLanesLeft,
  rotateLeft,
  type Statement,
  swapBytesOfLanes,
  xor,
  xorLanes,
} from './wasm.js'

/** K(t) for each 20 steps, FIPS 180-4 §4.2.1. */
const stepConstants = [0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6]

type RoundFunction = (b: I32, c: I32, d: I32) => I32

const choose: RoundFunction = (b, c, d) => xor(and(xor(c, d), b), d)
const parity: RoundFunction = (b, c, d) => xor(b, c, d)
// `(b & c) | (b & d) | (c & d)`; the two halves never share a bit, so that they may be added.
const majority: RoundFunction = (b, c, d) => add(and(b, c), and(xor(b, c), d))

/** f(t) for each 20 steps, FIPS 180-4 §4.1.1. */
const roundFunctions = [choose, parity, majority, parity]

const zero = lanes(0, 0, 0, 0)

export function sha1Chain({ locals, block }: ChainSite): Chain {
  const registers = new Registers(locals, ['a', 'b', 'c', 'd', 'e'], chainingValues.sha1.offset)
  const schedule = new MessageSchedule(locals, block)

  return {
    stepCount: 80,
    begin: () => [...registers.load(), ...schedule.prepare(0)],
    end: () => registers.addToChainingValue(),

    step(index) {
      const { a, b, c, d, e } = registers.inStep(index)
      const round = Math.floor(index / 20)
      const mixed = roundFunctions[round]!(b, c, d)
      return [
        ...(index % 4 === 0 ? schedule.prepare(index / 4 + 1) : []),
        assign(e, add(e, sha1Schedule.load(index), mixed, rotateLeft(a, 5))),
        assign(b, rotateLeft(b, 30)),
      ]
    },
  }
}

/** W(t), four at a time in one vector, a "quad"; W(t) + K(t) goes to memory for the steps to read. */
class MessageSchedule {
  readonly #block: Words
  readonly #quads: Local<'v128'>[]
  readonly #scratch: Local<'v128'>

  constructor(locals: Locals, block: Words) {
    this.#block = block
    this.#quads = locals.list('v128', 20)
    this.#scratch = locals.local('v128')
  }

  /** Emits what computes quad `q`, after quad `q - 1`; nothing past the last. */
  prepare(q: number): Statement[] {
    const quad = this.#quads[q]
    if (quad === undefined) return []
    const constant = stepConstants[Math.floor(q / 5)]!
    const withConstant = addLanes(quad, lanes(constant, constant, constant, constant))
    return [...this.#compute(q, quad), sha1Schedule.storeQuad(q, withConstant)]
  }

  #compute(q: number, quad: Local<'v128'>): Statement[] {
    if (q < 4) return [assign(quad, swapBytesOfLanes(this.#block.loadQuad(q)))]
    return q < 8 ? this.#fromStandard(q, quad) : this.#fromFarther(q, quad)
  }

  /**
   * W(t) = rotl1(W(t-3) ^ W(t-8) ^ W(t-14) ^ W(t-16)), as in the standard.
   *
   * The fourth lane's W(t-3) is the first lane's result: it is left out at first (a zero) and put in after.
   */
  #fromStandard(q: number, quad: Local<'v128'>): Statement[] {
    const before = this.#before(q)
    const threeBack = pickLanes(before(1), zero, [1, 2, 3, 4])
    const fourteenBack = pickLanes(before(4), before(3), [2, 3, 4, 5])
    const firstLaneAsFourth = pickLanes(this.#scratch, zero, [4, 5, 6, 0])
    return [
      assign(this.#scratch, xorLanes(fourteenBack, before(4), before(2), threeBack)),
      assign(this.#scratch, rotateLanesLeft(this.#scratch, 1)),
      assign(quad, firstLaneAsFourth),
      assign(quad, xorLanes(this.#scratch, rotateLanesLeft(quad, 1))),
    ]
  }

  /**
   * W(t) = rotl2(W(t-6) ^ W(t-16) ^ W(t-28) ^ W(t-32)) for t ≥ 32.
   *
   * The standard's formula put into itself (M. Locktyukhin, "Improving the performance of the Secure Hash Algorithm", Intel
   * 2010). Nothing in it is nearer than six words, so that four lanes are computed at once.
   */
  #fromFarther(q: number, quad: Local<'v128'>): Statement[] {
    const before = this.#before(q)
    const sixBack = pickLanes(before(2), before(1), [2, 3, 4, 5])
    return [
      assign(this.#scratch, xorLanes(sixBack, before(4), before(7), before(8))),
      assign(quad, rotateLanesLeft(this.#scratch, 2)),
    ]
  }

  /** The quad that lies `distance` quads, four times as many words, before quad `q`. */
  #before(q: number): (distance: number) => Local<'v128'> {
    return (distance) => this.#quads[q - distance]!
  }
}
