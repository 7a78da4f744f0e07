// Which engine this process has: OpenSSL's functions where they can be called and are right, else WebAssembly.

import type { Engine } from './engine.js'
import { openOpenSsl, whyNoOpenSsl } from './openssl.js'
import { compileKernels, type KernelModules, openWebAssembly } from './webassembly/engine.js'

/** What any thread needs to have an engine of one kind; can be sent there. */
export type EngineSeed =
  | { readonly name: 'openssl' }
  /** Compiled code: threads then share its optimized form too. `because` tells what keeps OpenSSL's from being used. */
  | { readonly name: 'webassembly'; readonly modules: KernelModules; readonly because: string }

let processSeed: EngineSeed | undefined
let ownEngine: Engine | undefined

/** The faster kind that works here. WebAssembly is compiled only if it is needed; that takes some 100 ms. */
export function chooseEngine(): EngineSeed {
  if (processSeed === undefined) {
    const because = whyNoOpenSsl()
    processSeed = because === undefined ? { name: 'openssl' } : webAssemblySeed(because)
  }
  return processSeed
}

export function webAssemblySeed(because: string): EngineSeed {
  return { name: 'webassembly', modules: compileKernels(), because }
}

export function openEngine(seed: EngineSeed): Engine {
  return seed.name === 'openssl' ? openOpenSsl() : openWebAssembly(seed.modules)
}

/** This thread's engine, made on first use. */
export function threadEngine(): Engine {
  ownEngine ??= openEngine(chooseEngine())
  return ownEngine
}
