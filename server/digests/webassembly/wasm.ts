// A small typed assembler: the few WebAssembly instructions that the kernels need, each as a function with a name.
// An expression is the code that leaves one value on the stack, so nested calls read as formulas do.
// Numbers in the code below are opcodes and section ids of the WebAssembly core specification 2.0, chapter 5.

export type ValueType = 'i32' | 'v128'

/** Code that leaves one value of type `T` on the stack. */
export interface Expression<T extends ValueType> {
  readonly type: T
  readonly code: readonly number[]
}

/** Code that leaves the stack as it was. */
export interface Statement {
  readonly type: 'statement'
  readonly code: readonly number[]
}

/** A local variable; used as an expression it is its own value. */
export interface Local<T extends ValueType> extends Expression<T> {
  readonly index: number
}

export type I32 = Expression<'i32'>
export type V128 = Expression<'v128'>

const valueTypeCodes: Record<ValueType, number> = { i32: 0x7f, v128: 0x7b }

/** A function's parameters, all i32, and local variables. Parameters are taken first: they have the first indices. */
export class Locals {
  #parameterCount = 0
  readonly #types: ValueType[] = []

  parameter(): Local<'i32'> {
    return localAt('i32', this.#parameterCount++)
  }

  local<T extends ValueType>(type: T): Local<T> {
    this.#types.push(type)
    return localAt(type, this.#parameterCount + this.#types.length - 1)
  }

  list<T extends ValueType>(type: T, length: number): Local<T>[] {
    return Array.from({ length }, () => this.local(type))
  }

  get parameterTypes(): number[] {
    return vector(Array.from({ length: this.#parameterCount }, () => [valueTypeCodes.i32]))
  }

  get declarations(): number[] {
    return vector(this.#types.map((type) => [1, valueTypeCodes[type]]))
  }
}

function localAt<T extends ValueType>(type: T, index: number): Local<T> {
  return { type, index, code: [0x20, ...unsigned(index)] }
}

export function assign<T extends ValueType>(target: Local<T>, value: Expression<T>): Statement {
  return { type: 'statement', code: [...value.code, 0x21, ...unsigned(target.index)] }
}

// Whole numbers of 32 bits, modulo 2^32.

export function i32(value: number): I32 {
  return { type: 'i32', code: [0x41, ...signed(value | 0)] }
}

export const add = (...terms: I32[]): I32 => chain('i32', terms, [0x6a])
export const and = (...terms: I32[]): I32 => chain('i32', terms, [0x71])
export const or = (...terms: I32[]): I32 => chain('i32', terms, [0x72])
export const xor = (...terms: I32[]): I32 => chain('i32', terms, [0x73])
export const not = (value: I32): I32 => xor(value, i32(-1))
export const rotateLeft = (value: I32, bits: number): I32 => chain('i32', [value, i32(bits)], [0x77])
export const rotateRight = (value: I32, bits: number): I32 => chain('i32', [value, i32(bits)], [0x78])

/** The little-endian word at `address + offsetBytes`. */
export function loadWord(address: I32, offsetBytes: number): I32 {
  return { type: 'i32', code: [...address.code, 0x28, 2, ...unsigned(offsetBytes)] }
}

export function storeWord(address: I32, offsetBytes: number, value: I32): Statement {
  return { type: 'statement', code: [...address.code, ...value.code, 0x36, 2, ...unsigned(offsetBytes)] }
}

// Vectors of four 32-bit lanes.

const simd = (opcode: number): number[] => [0xfd, ...unsigned(opcode)]

export function loadVector(address: I32, offsetBytes: number): V128 {
  return { type: 'v128', code: [...address.code, ...simd(0), 2, ...unsigned(offsetBytes)] }
}

export function storeVector(address: I32, offsetBytes: number, value: V128): Statement {
  const code = [...address.code, ...value.code, ...simd(11), 2, ...unsigned(offsetBytes)]
  return { type: 'statement', code }
}

export function lanes(...words: [number, number, number, number]): V128 {
  const bytes = words.flatMap((word) => [0, 8, 16, 24].map((shift) => (word >>> shift) & 0xff))
  return { type: 'v128', code: [...simd(12), ...bytes] }
}

export const addLanes = (...terms: V128[]): V128 => chain('v128', terms, simd(174))
export const xorLanes = (...terms: V128[]): V128 => chain('v128', terms, simd(81))
const orLanes = (...terms: V128[]): V128 => chain('v128', terms, simd(80))

const shiftBy = (opcode: number) => {
  return (value: V128, bits: number): V128 => ({
    type: 'v128',
    code: [...value.code, ...i32(bits).code, ...simd(opcode)],
  })
}
const shiftLanesLeft = shiftBy(171)
export const shiftLanesRight = shiftBy(173)
/** Shifts two 64-bit lanes instead of four of 32 bits. */
export const shiftPairsRight = shiftBy(205)

export function rotateLanesLeft(value: V128, bits: number): V128 {
  return orLanes(shiftLanesLeft(value, bits), shiftLanesRight(value, 32 - bits))
}

export const rotateLanesRight = (value: V128, bits: number): V128 => rotateLanesLeft(value, 32 - bits)

/** Four lanes out of eight: 0 to 3 are `low`'s, 4 to 7 are `high`'s. */
export function pickLanes(low: V128, high: V128, picked: [number, number, number, number]): V128 {
  return shuffleBytes(
    low,
    high,
    picked.flatMap((lane) => [0, 1, 2, 3].map((byte) => lane * 4 + byte)),
  )
}

/** Turns each lane's bytes around: big-endian words become little-endian ones. */
export function swapBytesOfLanes(value: V128): V128 {
  return shuffleBytes(value, value, [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12])
}

function shuffleBytes(low: V128, high: V128, picked: number[]): V128 {
  return { type: 'v128', code: [...low.code, ...high.code, ...simd(13), ...picked] }
}

// Control and modules.

/** Runs `body` `times` times, which may be none; `times` counts down to 0. */
export function repeat(times: Local<'i32'>, body: readonly Statement[]): Statement {
  const [blockStart, loopStart, end] = [[0x02, 0x40], [0x03, 0x40], 0x0b]
  const branchIf = [0x0d, 0] // out of a block, back to the start of a loop
  const isZero = [...times.code, 0x45]
  const countDown = assign(times, add(times, i32(-1)))
  const loop = [...loopStart, ...concat([...body, countDown]), ...times.code, ...branchIf, end]
  return { type: 'statement', code: [...blockStart, ...isZero, ...branchIf, ...loop, end] }
}

const sectionIds = { types: 1, imports: 2, functions: 3, exports: 7, code: 10 }

export interface ModuleParts {
  locals: Locals
  body: readonly Statement[]
  /** What the module demands of the memory it imports, in units of 64 KiB. */
  memoryPages: number
}

/** A module that imports `env.memory` and exports one function, `run`, which returns nothing. */
export function encodeModule({ locals, body, memoryPages }: ModuleParts): Uint8Array<ArrayBuffer> {
  const code = [...locals.declarations, ...concat(body), 0x0b]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // "\0asm", version 1
    ...section(sectionIds.types, [[0x60, ...locals.parameterTypes, 0]]),
    ...section(sectionIds.imports, [
      [...name('env'), ...name('memory'), 0x02, 0x00, ...unsigned(memoryPages)],
    ]),
    ...section(sectionIds.functions, [[0]]),
    ...section(sectionIds.exports, [[...name('run'), 0x00, 0]]),
    ...section(sectionIds.code, [[...unsigned(code.length), ...code]]),
  ])
}

function section(id: number, entries: readonly (readonly number[])[]): number[] {
  const content = vector(entries)
  return [id, ...unsigned(content.length), ...content]
}

function vector(entries: readonly (readonly number[])[]): number[] {
  return [...unsigned(entries.length), ...entries.flat()]
}

const name = (text: string): number[] => [...unsigned(text.length), ...Buffer.from(text)]

const concat = (statements: readonly Statement[]): number[] => statements.flatMap(({ code }) => code)

function chain<T extends ValueType>(
  type: T,
  terms: readonly Expression<T>[],
  operator: number[],
): Expression<T> {
  const code = terms.flatMap((term, index) => (index === 0 ? term.code : [...term.code, ...operator]))
  return { type, code }
}

/** LEB128 of a whole number from 0 to 2^32 - 1. */
function unsigned(value: number): number[] {
  const low = value & 0x7f
  const rest = value >>> 7
  return rest === 0 ? [low] : [low | 0x80, ...unsigned(rest)]
}

/** LEB128 of a whole number from -2^31 to 2^31 - 1. */
function signed(value: number): number[] {
  const low = value & 0x7f
  const rest = value >> 7
  const signIsTold = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)
  return signIsTold ? [low] : [low | 0x80, ...signed(rest)]
}
