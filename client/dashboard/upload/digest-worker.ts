// The digests of a file, off the page's thread: hundreds of gigabytes are read here while the page goes on answering.
//
// hash-wasm rather than crypto.subtle, which wants all bytes at once, knows no MD5, and is missing where the page came by http.

import { createMD5, createSHA1, createSHA256 } from 'hash-wasm'

export type Algorithm = 'md5' | 'sha1' | 'sha256'

/** What the page asks, once for each worker. */
export interface DigestOrder {
  file: Blob
  algorithms: readonly Algorithm[]
  /** Exclusive. */
  endBytes: number
}

export type DigestNews =
  | { kind: 'progress'; doneBytes: number }
  | { kind: 'done'; digests: Partial<Record<Algorithm, string>> }
  /** The browser can't read the file: it is gone, changed, a folder, or not to be had. `name` as the DOMException has it. */
  | { kind: 'unreadable'; name: string }
  | { kind: 'fault'; message: string }

const MAKERS = { md5: createMD5, sha1: createSHA1, sha256: createSHA256 } as const

/** Large enough that asking costs nothing beside reading, small enough that all hashers find it in the cache. */
const SLICE_BYTES = 1024 * 1024
const NEWS_MS = 100

addEventListener('message', ({ data }: MessageEvent<DigestOrder>) => {
  digest(data).then(tell, (error: unknown) => tell({ kind: 'fault', message: String(error) }))
})

function tell(news: DigestNews): void {
  postMessage(news)
}

async function digest({ file, algorithms, endBytes }: DigestOrder): Promise<DigestNews> {
  const hashers = await Promise.all(
    algorithms.map(async (algorithm) => ({ algorithm, hasher: await MAKERS[algorithm]() })),
  )
  for (const { hasher } of hashers) hasher.init()
  let toldAtMs = performance.now()
  let next = read(file, 0, endBytes)
  for (let doneBytes = 0; doneBytes < endBytes; ) {
    const slice = await next
    if ('unreadable' in slice) return { kind: 'unreadable', name: slice.unreadable }
    // The browser reads on while this thread counts.
    next = read(file, doneBytes + slice.bytes.byteLength, endBytes)
    for (const { hasher } of hashers) hasher.update(slice.bytes)
    doneBytes += slice.bytes.byteLength
    if (performance.now() - toldAtMs >= NEWS_MS) {
      toldAtMs = performance.now()
      tell({ kind: 'progress', doneBytes })
    }
  }
  const digests = hashers.map(({ algorithm, hasher }) => [algorithm, hasher.digest()] as const)
  return { kind: 'done', digests: Object.fromEntries(digests) }
}

/** Never rejects: nobody may be waiting for it yet. */
async function read(
  file: Blob,
  startBytes: number,
  endBytes: number,
): Promise<{ bytes: Uint8Array } | { unreadable: string }> {
  try {
    const slice = file.slice(startBytes, Math.min(startBytes + SLICE_BYTES, endBytes))
    const bytes = new Uint8Array(await slice.arrayBuffer())
    // A file that lost its end while it was read would be asked for the same nothing for ever.
    if (bytes.byteLength < slice.size) return { unreadable: 'NotReadableError' }
    return { bytes }
  } catch (error) {
    return { unreadable: error instanceof Error ? error.name : String(error) }
  }
}
