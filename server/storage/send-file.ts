import type { FileHandle } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { AppError } from '../errors.js'
import type { ByteRange } from './store.js'

const BUFFER_BYTES = 256 * 1024

/**
 * Sends a range of a file to `sink`: two buffers take turns, one is read into while the other is on its way out.
 *
 * Nothing is allocated per chunk, which a read stream piped into the response spends most of its time on. There is no
 * time limit on a slow sink. Rejects when the sink closes early, or when the file ends before the range does: the caller
 * must then destroy the connection, since PASTA takes a short body for a whole one.
 */
export async function sendFile(file: FileHandle, range: ByteRange, sink: Writable): Promise<void> {
  const lengthBytes = Math.min(BUFFER_BYTES, range.end - range.start)
  const buffers = [Buffer.allocUnsafeSlow(lengthBytes), Buffer.allocUnsafeSlow(lengthBytes)]
  let sending: Promise<void> = Promise.resolve()
  for (let position = range.start, turn = 0; position < range.end; turn ^= 1) {
    const buffer = buffers[turn] as Buffer
    const wantedBytes = Math.min(lengthBytes, range.end - position)
    const { bytesRead } = await file.read(buffer, 0, wantedBytes, position)
    if (bytesRead === 0) throw new AppError('INTERNAL', 'The stored object is shorter than its record.')
    await sending
    sending = write(sink, buffer.subarray(0, bytesRead))
    // Awaited a turn later, or never when the next read fails.
    sending.catch(() => {})
    position += bytesRead
  }
  await sending
}

/** Resolves when `bytes` may be overwritten. */
function write(sink: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    // A response whose socket has gone may keep a write without ever calling back.
    const onClose = () => reject(new Error('The connection closed before the last byte.'))
    if (sink.destroyed) {
      onClose()
      return
    }
    sink.once('close', onClose)
    sink.write(bytes, (error) => {
      sink.off('close', onClose)
      if (error) reject(error)
      else resolve()
    })
  })
}
