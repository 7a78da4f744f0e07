// MD5's compression function, RFC 1321 §3.4.

import { chainingValues } from '../algorithm.js'
import { type Chain, type ChainSite, Registers } from './chain.js'
import { add, and, assign, type I32, i32, not, or, rotateLeft, xor } from './wasm.js'

/** T[i] of RFC 1321 §3.4: the whole part of 4294967296 · |sin(i)|, i in radians from 1. */
const sineConstants = Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32))

/** By round, for each four steps. */
const rotations = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
]

/** Which word of the block each step takes, by round. */
const wordOrders = [
  (i: number) => i % 16,
  (i: number) => (5 * i + 1) % 16,
  (i: number) => (3 * i + 5) % 16,
  (i: number) => (7 * i) % 16,
]

/**
 * `sum + F(b, c, d)`, and G, H, I for the later rounds.
 *
 * Every step waits for b, the last one's result, so what doesn't need b is done first. F is `(b & c) | (~b & d)` with one
 * operation less. G's two halves never share a bit, so they may be added, each as soon as it is known.
 */
const roundFunctions: ((sum: I32, b: I32, c: I32, d: I32) => I32)[] = [
  (sum, b, c, d) => add(sum, xor(and(xor(c, d), b), d)),
  (sum, b, c, d) => add(sum, and(not(d), c), and(d, b)),
  (sum, b, c, d) => add(sum, xor(xor(c, d), b)),
  (sum, b, c, d) => add(sum, xor(or(not(d), b), c)),
]

export function md5Chain({ locals, block }: ChainSite): Chain {
  const registers = new Registers(locals, ['a', 'b', 'c', 'd'], chainingValues.md5.offset)

  return {
    stepCount: 64,
    begin: () => registers.load(),
    end: () => registers.addToChainingValue(),

    step(index) {
      const { a, b, c, d } = registers.inStep(index)
      const round = index >> 4
      const sum = add(block.load(wordOrders[round]!(index)), i32(sineConstants[index]!), a)
      const mixed = roundFunctions[round]!(sum, b, c, d)
      return [assign(a, add(rotateLeft(mixed, rotations[round]![index % 4]!), b))]
    },
  }
}
