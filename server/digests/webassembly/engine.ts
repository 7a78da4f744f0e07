// Runs the kernels: cuts bytes of any length into blocks and takes a state through them.

import { type Algorithm, algorithms, BLOCK_BYTES, CHAINING_VALUES_BYTES } from '../algorithm.js'
import type { Engine, Strand } from '../engine.js'
import type { DigestState } from '../state.js'
import { compileKernel, type KernelName, kernelAlgorithms, kernelNames } from './kernel.js'
import { INPUT_ADDRESS, INPUT_BYTES, MEMORY_PAGES } from './memory.js'

/** Compiled code, which may be sent to other threads: they then share its optimized form too. */
export type KernelModules = Record<KernelName, WebAssembly.Module>

const WORD_BYTES = 8

const strands: readonly Strand[] = [
  { algorithms: kernelAlgorithms.sha256, work: 3 },
  { algorithms: kernelAlgorithms.md5AndSha1, work: 2 },
]

type RunKernel = (address: number, blockCount: number) => void

/** Takes some 100 ms. */
export function compileKernels(): KernelModules {
  return { sha256: compileKernel('sha256'), md5AndSha1: compileKernel('md5AndSha1') }
}

export function openWebAssembly(modules: KernelModules): Engine {
  const engine = new WebAssemblyEngine(modules)
  engine.compressNothing()
  return engine
}

class WebAssemblyEngine implements Engine {
  readonly name = 'webassembly'
  readonly strands = strands
  readonly #memory: Uint8Array
  readonly #kernels: Record<KernelName, RunKernel>

  constructor(modules: KernelModules) {
    const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES })
    this.#memory = new Uint8Array(memory.buffer)
    this.#kernels = {
      sha256: instantiate(modules.sha256, memory),
      md5AndSha1: instantiate(modules.md5AndSha1, memory),
    }
  }

  /** Calls every kernel once: a function is compiled when first called. */
  compressNothing(): void {
    for (const kernel of kernelNames) this.#kernels[kernel](INPUT_ADDRESS, 0)
  }

  absorb(state: DigestState, bytes: Uint8Array, of: readonly Algorithm[] = algorithms): void {
    const kernels = kernelNames.filter((kernel) =>
      kernelAlgorithms[kernel].some((algorithm) => of.includes(algorithm)),
    )
    const memory = this.#memory
    memory.set(state.chainingValues)

    let inputBytes = state.tailBytes
    let address = addressAlignedWith(bytes.byteOffset - inputBytes)
    memory.set(state.tail.subarray(0, inputBytes), address)
    let position = 0
    do {
      const takenBytes = Math.min(INPUT_BYTES - inputBytes, bytes.length - position)
      memory.set(bytes.subarray(position, position + takenBytes), address + inputBytes)
      position += takenBytes
      inputBytes += takenBytes
      const blockCount = Math.floor(inputBytes / BLOCK_BYTES)
      for (const kernel of kernels) this.#kernels[kernel](address, blockCount)
      const compressedBytes = blockCount * BLOCK_BYTES
      // A full input is whole blocks, so that only the last round leaves a tail.
      const tailAddress = address + compressedBytes
      state.tail.set(memory.subarray(tailAddress, tailAddress + inputBytes - compressedBytes))
      inputBytes = 0
      address = addressAlignedWith(bytes.byteOffset + position)
    } while (position < bytes.length)

    state.chainingValues.set(memory.subarray(0, CHAINING_VALUES_BYTES))
    state.sizeBytes += bytes.length
  }
}

/**
 * An address for input that begins at `byteOffset` of its own buffer, a few bytes past INPUT_ADDRESS.
 *
 * V8 copies shared memory word by word only between two places that are equally aligned, and else byte by byte: that took a
 * tenth of a thread's time. The kernels' loads don't mind.
 */
function addressAlignedWith(byteOffset: number): number {
  return INPUT_ADDRESS + (byteOffset & (WORD_BYTES - 1))
}

function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): RunKernel {
  const { run } = new WebAssembly.Instance(module, { env: { memory } }).exports
  if (typeof run !== 'function') throw new TypeError('A kernel exports run.')
  return run as RunKernel // its signature is kernel.ts's
}
