// An upload's bytes on their way to whoever checks them.

import type { Writable } from 'node:stream'
import { orAborted } from '../storage/or-aborted.js'
import type { ReadContent } from './content-check.js'

/**
 * Writes everything to `sink`, at its pace, and ends it. A sink that closes before has seen enough: that is no error.
 *
 * @throws what reading throws, and the reason of `signal`; then the sink is not ended, so that nobody takes half for the whole
 */
export async function feed(read: ReadContent, sink: Writable, signal: AbortSignal): Promise<void> {
  sink.on('error', () => {})
  const iterator = read()[Symbol.asyncIterator]()
  try {
    for (;;) {
      const { done, value } = await orAborted(iterator.next(), signal)
      if (done) break
      const isWritten = await orAborted(written(sink, value), signal)
      if (!isWritten) return
    }
    sink.end()
  } finally {
    // Not awaited: it waits for the bytes that are asked for.
    void iterator.return?.().catch(() => {})
  }
}

/** Only then may the bytes' memory be used for the next ones. @returns false when the sink takes nothing any more */
function written(sink: Writable, bytes: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    sink.once('close', gone)
    sink.write(bytes, (error) => {
      sink.off('close', gone)
      resolve(!error)
    })
    function gone(): void {
      resolve(false)
    }
  })
}
