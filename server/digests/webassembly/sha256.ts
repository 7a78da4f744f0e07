// SHA-256's compression function, FIPS 180-4 §6.2.2.

import { chainingValues } from '../algorithm.js'
import { type Chain, type ChainSite, Registers } from './chain.js'
import { sha256Schedule, type Words } from './memory.js'
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
  rotateLanesRight,
  rotateRight,
  type Statement,
  shiftLanesRight,
  shiftPairsRight,
  swapBytesOfLanes,
  type V128,
  xor,
  xorLanes,
} from './wasm.js'

/** K(t), FIPS 180-4 §4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
const stepConstants = firstPrimes(64).map((prime) => Number(cubeRoot(BigInt(prime) << 96n) & 0xffffffffn))

// FIPS 180-4 §4.1.2.
const bigSigma0 = (x: I32): I32 => threeRotations(x, 2, 13, 22)
const bigSigma1 = (x: I32): I32 => threeRotations(x, 6, 11, 25)
const choose = (x: I32, y: I32, z: I32): I32 => xor(and(xor(y, z), x), z)

const zero = lanes(0, 0, 0, 0)

export function sha256Chain({ locals, block }: ChainSite): Chain {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'] as const
  const registers = new Registers(locals, names, chainingValues.sha256.offset)
  const schedule = new MessageSchedule(locals, block)
  const t1 = locals.local('i32')
  const differ = locals.list('i32', 2)

  return {
    stepCount: 64,

    begin() {
      const { b, c } = registers.inStep(0)
      return [...registers.load(), ...schedule.prepare(0), assign(differ[1]!, xor(b, c))]
    },

    step(index) {
      const { a, b, d, e, f, g, h } = registers.inStep(index)
      // Maj(a, b, c) = b ^ ((a ^ b) & (b ^ c)), and this step's b ^ c was the last one's a ^ b.
      const abDiffer = differ[index % 2]!
      const bcDiffer = differ[(index + 1) % 2]!
      const majority = xor(and(abDiffer, bcDiffer), b)
      return [
        ...(index % 4 === 0 ? schedule.prepare(index / 4 + 1) : []),
        assign(t1, add(h, sha256Schedule.load(index), choose(e, f, g), bigSigma1(e))),
        assign(d, add(d, t1)),
        assign(abDiffer, xor(a, b)),
        assign(h, add(bigSigma0(a), majority, t1)),
      ]
    },

    end: () => registers.addToChainingValue(),
  }
}

/** W(t), four at a time in one vector, a "quad"; W(t) + K(t) goes to memory for the steps to read. */
class MessageSchedule {
  readonly #block: Words
  readonly #quads: Local<'v128'>[]
  readonly #scratch: Local<'v128'>
  readonly #sum: Local<'v128'>

  constructor(locals: Locals, block: Words) {
    this.#block = block
    this.#quads = locals.list('v128', 16)
    this.#scratch = locals.local('v128')
    this.#sum = locals.local('v128')
  }

  /** Emits what computes quad `q`, after quad `q - 1`; nothing past the last. */
  prepare(q: number): Statement[] {
    const quad = this.#quads[q]
    if (quad === undefined) return []
    const [k0, k1, k2, k3] = stepConstants.slice(q * 4) as [number, number, number, number]
    return [
      ...(q < 4 ? [assign(quad, swapBytesOfLanes(this.#block.loadQuad(q)))] : this.#compute(q, quad)),
      sha256Schedule.storeQuad(q, addLanes(quad, lanes(k0, k1, k2, k3))),
    ]
  }

  /**
   * W(t) = σ1(W(t-2)) + W(t-7) + σ0(W(t-15)) + W(t-16).
   *
   * The upper two lanes' W(t-2) are the lower two's results, so that σ1 is done for two lanes at a time.
   */
  #compute(q: number, quad: Local<'v128'>): Statement[] {
    const before = (distance: number): Local<'v128'> => this.#quads[q - distance]!
    const fifteenBack = pickLanes(before(4), before(3), [1, 2, 3, 4])
    const sevenBack = pickLanes(before(2), before(1), [1, 2, 3, 4])
    const scratch = this.#scratch
    const sum = this.#sum
    return [
      assign(scratch, fifteenBack),
      assign(sum, addLanes(smallSigma0(scratch), before(4), sevenBack)),
      assign(scratch, pickLanes(before(1), before(1), [2, 2, 3, 3])),
      assign(scratch, smallSigma1OfPairs(scratch)),
      assign(sum, addLanes(sum, pickLanes(scratch, zero, [0, 2, 4, 4]))),
      assign(scratch, pickLanes(sum, sum, [0, 0, 1, 1])),
      assign(scratch, smallSigma1OfPairs(scratch)),
      assign(quad, addLanes(sum, pickLanes(scratch, zero, [4, 4, 0, 2]))),
    ]
  }
}

/**
 * rotr(x, first) ^ rotr(x, second) ^ rotr(x, third).
 *
 * Two of them are nested, so that the outer one works in place, on what need not be copied. Nesting all three saves one more
 * copy, but everything waits for this value: nesting all and nesting none were both 8 % slower.
 */
function threeRotations(x: I32, first: number, second: number, third: number): I32 {
  return xor(rotateRight(x, first), rotateRight(xor(rotateRight(x, third - second), x), second))
}

/** σ0 of four lanes, FIPS 180-4 §4.1.2. */
const smallSigma0 = (x: V128): V128 =>
  xorLanes(rotateLanesRight(x, 7), rotateLanesRight(x, 18), shiftLanesRight(x, 3))

/**
 * σ1 of two words, each of which stands in both lanes of a pair; the results are in the pairs' lower lanes, 0 and 2.
 *
 * Vectors have no rotation, but a word that follows itself, shifted as one of 64 bits, is rotated in its lower half.
 */
const smallSigma1OfPairs = (x: V128): V128 =>
  xorLanes(shiftPairsRight(x, 17), shiftPairsRight(x, 19), shiftLanesRight(x, 10))

function firstPrimes(count: number): number[] {
  const primes: number[] = []
  for (let candidate = 2; primes.length < count; candidate++) {
    if (primes.every((prime) => candidate % prime !== 0)) primes.push(candidate)
  }
  return primes
}

/** The whole part of the cube root. */
function cubeRoot(value: bigint): bigint {
  let atMost = 1n << 40n
  let atLeast = 0n
  while (atLeast < atMost) {
    const middle = (atLeast + atMost + 1n) / 2n
    if (middle ** 3n <= value) atLeast = middle
    else atMost = middle - 1n
  }
  return atLeast
}
