// Whether somebody is sending an upload right now.

import type { Antipasto } from '../../api/antipasto.js'
import { sleep } from '../../api/sleep.js'

/** The server tells of new bytes at least this often. */
const MOVES_WITHIN_MS = 6_000

/** True when no byte of it arrived for a while. */
export async function isUnmoved(antipasto: Antipasto, id: string, signal: AbortSignal): Promise<boolean> {
  const before = await antipasto.uploads.report(id, signal)
  await sleep(MOVES_WITHIN_MS, signal)
  const after = await antipasto.uploads.report(id, signal)
  return before.offset === after.offset && before.state === after.state
}
