// What we use of the WebAssembly JavaScript interface. TypeScript declares it only for browsers, in its `dom` library.

declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer>)
  }

  class Memory {
    /** In pages of 64 KiB. */
    constructor(limits: { initial: number; maximum: number })
    readonly buffer: ArrayBuffer
  }

  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, Memory>>)
    readonly exports: Readonly<Record<string, unknown>>
  }
}
