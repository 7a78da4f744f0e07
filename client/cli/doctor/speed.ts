// What `doctor --speed` measures with a small upload that it deletes: how fast bytes go, and whether they go at once.

import { randomBytes } from 'node:crypto'
import type { Connection } from '../../api/connection.js'
import { askJson } from '../../api/json.js'
import { sleep } from '../../api/sleep.js'
import type { Report } from '../../api/types.js'
import { formatBytes } from '../../format.js'
import { type Check, ok, warn } from './check.js'
import { refusal } from './server.js'

const MIB = 1024 ** 2
const SPEED_BYTES = 8 * MIB
/** Enough for the proxies' usual buffers of some 16 KiB to be full. */
const HALF_BYTES = 512 * 1024
/** For the first half to come through. */
const PAUSE_MS = 1_500
const LOOKS = 20
const LOOK_MS = 250

const TUS = { 'tus-resumable': '1.0.0' } as const

export async function speedChecks(connection: Connection, signal: AbortSignal): Promise<Check[]> {
  const checks: Check[] = []
  for (const [name, measure] of [
    ['speed', speedCheck],
    ['buffering', bufferingCheck],
  ] as const) {
    try {
      checks.push(await measure(connection, signal))
    } catch (error) {
      checks.push(refusal(name, error, signal))
    }
  }
  return checks
}

async function speedCheck(connection: Connection, signal: AbortSignal): Promise<Check> {
  // Random: nobody in between can compress it.
  const body = new Uint8Array(randomBytes(SPEED_BYTES))
  return withUpload(connection, SPEED_BYTES, signal, async (path) => {
    const startedAt = performance.now()
    await connection.ask(path, { method: 'PATCH', headers: patchHeaders(), body, signal })
    const seconds = (performance.now() - startedAt) / 1000
    return ok('speed', `${formatBytes(SPEED_BYTES / seconds)}/s to the server (${formatBytes(SPEED_BYTES)})`)
  })
}

/**
 * Sends half of an upload, waits, and breaks the connection: what the server has then went through at once. A proxy that
 * buffers requests would have passed nothing on, and everything is lost with each break.
 */
async function bufferingCheck(connection: Connection, signal: AbortSignal): Promise<Check> {
  return withUpload(connection, 2 * HALF_BYTES, signal, async (path) => {
    const breaking = new AbortController()
    const stop = () => breaking.abort(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new Uint8Array(randomBytes(HALF_BYTES))),
    })
    const sending = connection
      .ask(path, { method: 'PATCH', headers: patchHeaders(), body, signal: breaking.signal })
      .catch(() => null)
    await sleep(PAUSE_MS, signal)
    breaking.abort(new Error('Broken off on purpose.'))
    await sending
    signal.removeEventListener('abort', stop)
    const offsetBytes = await arrived(connection, path, signal)
    if (offsetBytes > 0) return ok('buffering', 'none: bytes reach the server as they are sent')
    return warn(
      'buffering',
      'a proxy in between keeps requests until they are whole',
      'Send with --chunk 16M, so that a break loses no more than that; and tell the people who run the proxy (nginx: proxy_request_buffering off).',
    )
  })
}

/** How much of the upload the server has, as soon as it has something, or after a while. */
async function arrived(connection: Connection, path: string, signal: AbortSignal): Promise<number> {
  for (let look = 1; ; look += 1) {
    const { offset } = await askJson<Report>(connection, path, { signal })
    if (offset > 0 || look === LOOKS) return offset
    await sleep(LOOK_MS, signal)
  }
}

/** An upload that is deleted again, whatever happens with it. */
async function withUpload(
  connection: Connection,
  sizeBytes: number,
  signal: AbortSignal,
  work: (path: string) => Promise<Check>,
): Promise<Check> {
  const filename = Buffer.from('antipasto-doctor.bin').toString('base64')
  const created = await connection.ask('/uploads', {
    method: 'POST',
    headers: { ...TUS, 'upload-length': String(sizeBytes), 'upload-metadata': `filename ${filename}` },
    signal,
  })
  // By the name that the server has here: it calls itself by its PUBLIC_URL, which may be another one.
  const id = created.headers.get('location')?.split('/').at(-1) ?? ''
  const path = `/uploads/${encodeURIComponent(id)}`
  try {
    return await work(path)
  } finally {
    await connection.ask(path, { method: 'DELETE' }).catch(() => null)
  }
}

function patchHeaders(): Record<string, string> {
  return { ...TUS, 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' }
}
