// OpenSSL's MD5, SHA-1 and SHA-256, which use the processor's own instructions for them: a third of WebAssembly's time.
//
// node:crypto's hashes keep their state to themselves, and a digest that can't be saved would have to read hundreds of
// gigabytes again after a crash. But Node.js exports the functions of the OpenSSL inside of it to native add-ons, among them those
// whose state is a plain structure of their caller's (<openssl/md5.h>, <openssl/sha.h>): the chaining value, a count of bits,
// a block that waits to be full. koffi calls them. They get whole blocks only, so that all they know is the chaining value.

import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import { endianness } from 'node:os'
import { type Algorithm, algorithms, BLOCK_BYTES, chainingValues } from './algorithm.js'
import type { Engine, Strand } from './engine.js'
import { finish } from './finish.js'
import { DigestState, STATE_BYTES } from './state.js'

/** `int MD5_Update(MD5_CTX *context, const void *data, size_t length)`, and so on; they never fail. */
type Update = (context: Uint8Array, bytes: Uint8Array, sizeBytes: number) => number

const functionNames: Record<Algorithm, string> = {
  md5: 'MD5_Update',
  sha1: 'SHA1_Update',
  sha256: 'SHA256_Update',
}

/** More than the largest, SHA256_CTX, has: 112. */
const CONTEXT_BYTES = 256

/** So much goes through one algorithm before the next one reads it again, from the processor's cache. */
const INPUT_BYTES = 32 * 1024

/** SHA-1 and SHA-256 have instructions of their own in most processors of today, MD5 has none. */
const strands: readonly Strand[] = [
  { algorithms: ['md5'], work: 5 },
  { algorithms: ['sha1', 'sha256'], work: 4 },
]

let updates: Record<Algorithm, Update> | undefined

/**
 * Why OpenSSL's functions can't be used here; undefined when they can, and agree with node:crypto.
 *
 * A Node.js may be built without them, koffi may have no build for this platform.
 */
export function whyNoOpenSsl(): string | undefined {
  if (endianness() !== 'LE') return 'states are little-endian, and this processor is not'
  try {
    return agreesWithNode(openOpenSsl()) ? undefined : "OpenSSL's functions don't agree with node:crypto"
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Throws when `whyNoOpenSsl` has a reason. */
export function openOpenSsl(): Engine {
  updates ??= loadUpdates()
  return new OpenSslEngine(updates)
}

function loadUpdates(): Record<Algorithm, Update> {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  const node = koffi.load(null) // this very program, and what it is linked with
  const load = (algorithm: Algorithm): Update =>
    node.func(functionNames[algorithm], 'int', ['void *', 'void *', 'size_t'])
  return { md5: load('md5'), sha1: load('sha1'), sha256: load('sha256') }
}

class OpenSslEngine implements Engine {
  readonly name = 'openssl'
  readonly strands = strands
  readonly #chains: Record<Algorithm, Chain>

  constructor(updates: Record<Algorithm, Update>) {
    this.#chains = {
      md5: new Chain('md5', updates.md5),
      sha1: new Chain('sha1', updates.sha1),
      sha256: new Chain('sha256', updates.sha256),
    }
  }

  absorb(state: DigestState, bytes: Uint8Array, of: readonly Algorithm[] = algorithms): void {
    const chains = of.map((algorithm) => this.#chains[algorithm])
    for (const chain of chains) chain.begin(state)

    const { tailBytes } = state
    let position = 0
    if (tailBytes > 0) {
      position = Math.min(BLOCK_BYTES - tailBytes, bytes.length)
      state.tail.set(bytes.subarray(0, position), tailBytes)
      if (tailBytes + position === BLOCK_BYTES) for (const chain of chains) chain.compress(state.tail)
    }
    // Where the tail isn't full, nothing is left.
    const blocksEnd = bytes.length - ((bytes.length - position) % BLOCK_BYTES)
    while (position < blocksEnd) {
      const end = Math.min(position + INPUT_BYTES, blocksEnd)
      const input = bytes.subarray(position, end)
      for (const chain of chains) chain.compress(input)
      position = end
    }
    state.tail.set(bytes.subarray(position))

    for (const chain of chains) chain.end(state)
    state.sizeBytes += bytes.length
  }
}

/** One algorithm's structure, in which the states of this thread take turns. */
class Chain {
  readonly #algorithm: Algorithm
  readonly #update: Update
  readonly #context = new Uint8Array(CONTEXT_BYTES)
  /** It begins with the chaining value, in words as the processor has them. */
  readonly #chainingValue: Uint8Array

  constructor(algorithm: Algorithm, update: Update) {
    this.#algorithm = algorithm
    this.#update = update
    this.#chainingValue = this.#context.subarray(0, chainingValues[algorithm].wordCount * 4)
  }

  begin(state: DigestState): void {
    this.#chainingValue.set(state.chainingValueOf(this.#algorithm))
  }

  /** @param blocks whole ones, so that nothing waits in the structure */
  compress(blocks: Uint8Array): void {
    this.#update(this.#context, blocks, blocks.length)
  }

  end(state: DigestState): void {
    state.chainingValueOf(this.#algorithm).set(this.#chainingValue)
  }
}

/** Over whole blocks and parts of some, in one go and in two; in shared memory, as slabs and their states are. */
function agreesWithNode(engine: Engine): boolean {
  const message = new Uint8Array(new SharedArrayBuffer(5 * BLOCK_BYTES + 1))
  for (const index of message.keys()) message[index] = index
  return [0, 1, BLOCK_BYTES, message.length].every((cutBytes) => {
    const state = DigestState.start(new Uint8Array(new SharedArrayBuffer(STATE_BYTES)))
    engine.absorb(state, message.subarray(0, cutBytes))
    engine.absorb(state, message.subarray(cutBytes))
    const digests = finish(state, engine)
    return algorithms.every(
      (algorithm) => digests[algorithm] === createHash(algorithm).update(message).digest('hex'),
    )
  })
}
