// Emits the kernels: WebAssembly functions that take one or two algorithms through a run of blocks.
//
// A digest is one long chain in which every step waits for the last one's result, and MD5's chain alone leaves the
// processor half idle. With SHA-1's steps between its own, the two take 0.7 of the time they take one by one. SHA-256 has enough
// to do in each step to fill its own waits: all three interleaved were no faster. By itself it takes a third longer than the
// other two together, so that two threads can share one upload's work almost evenly.

import { type Algorithm, BLOCK_BYTES } from '../algorithm.js'
import type { Chain, ChainSite } from './chain.js'
import { md5Chain } from './md5.js'
import { MEMORY_PAGES, Words } from './memory.js'
import { sha1Chain } from './sha1.js'
import { sha256Chain } from './sha256.js'
import { add, assign, encodeModule, i32, Locals, repeat, type Statement } from './wasm.js'

const chainFactories: Record<Algorithm, (site: ChainSite) => Chain> = {
  md5: md5Chain,
  sha1: sha1Chain,
  sha256: sha256Chain,
}

/** Which algorithms run interleaved. Each is in exactly one kernel. */
export const kernelAlgorithms = {
  sha256: ['sha256'],
  md5AndSha1: ['md5', 'sha1'],
} as const satisfies Record<string, readonly Algorithm[]>

export type KernelName = keyof typeof kernelAlgorithms

export const kernelNames = ['sha256', 'md5AndSha1'] as const satisfies readonly KernelName[]

/**
 * A module that imports the memory laid out in memory.ts and exports `run(address, blockCount)`: takes the chaining values
 * of the kernel's algorithms through `blockCount` blocks, none allowed, that begin at `address`.
 */
export function compileKernel(name: KernelName): WebAssembly.Module {
  return new WebAssembly.Module(encodeKernel(kernelAlgorithms[name]))
}

function encodeKernel(algorithms: readonly Algorithm[]): Uint8Array<ArrayBuffer> {
  const locals = new Locals()
  const address = locals.parameter()
  const blockCount = locals.parameter()
  const site = { locals, block: new Words(address) }
  const chains = algorithms.map((algorithm) => chainFactories[algorithm](site))

  const compressBlock = [
    ...chains.flatMap((chain) => chain.begin()),
    ...interleaveSteps(chains),
    ...chains.flatMap((chain) => chain.end()),
    assign(address, add(address, i32(BLOCK_BYTES))),
  ]
  return encodeModule({ locals, body: [repeat(blockCount, compressBlock)], memoryPages: MEMORY_PAGES })
}

function interleaveSteps(chains: readonly Chain[]): Statement[] {
  const steps: Statement[] = []
  const stepCount = Math.max(...chains.map((chain) => chain.stepCount))
  for (let index = 0; index < stepCount; index++) {
    for (const chain of chains) {
      if (index < chain.stepCount) steps.push(...chain.step(index))
    }
  }
  return steps
}
