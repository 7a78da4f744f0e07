// The bytes of one request, made while they go.

import type { Connection } from './connection.js'
import { contentOf } from './content.js'
import type { Doom } from './doom.js'
import type { FilePlan } from './file-plan.js'

const PIECE_BYTES = 64 * 1024

/** From `fromBytes` up to `toBytes`, exclusive; its plan's pause is in the middle of it, and its doom looks on. */
export async function* bodyOf(
  { key, pauseMs }: FilePlan,
  [fromBytes, toBytes]: readonly [number, number],
  { connection, doom }: { connection: Connection; doom?: Doom },
): AsyncGenerator<Buffer> {
  const middleBytes = (fromBytes + toBytes) / 2
  let hasPaused = pauseMs === 0
  for (let offset = fromBytes; offset < toBytes; offset += PIECE_BYTES) {
    if (!hasPaused && offset >= middleBytes) {
      hasPaused = true
      await connection.rest(pauseMs)
    }
    doom?.passed(offset)
    yield contentOf(key, offset, Math.min(PIECE_BYTES, toBytes - offset))
  }
}
