// How long what is deleted on this page can be had back, and how.

import type { Report } from '../../api/types.js'
import type { Desk } from '../desk.js'

/** The server keeps it so long. */
export const UNDO_SECONDS = 15

/**
 * Brings it back as it was.
 *
 * @throws Gone when its time is over, Conflict when its place is taken, PackageFinalized
 */
export async function restore(
  { antipasto, reports }: Pick<Desk, 'antipasto' | 'reports'>,
  id: string,
): Promise<Report> {
  const asked = reports.mark()
  const restored = await antipasto.uploads.restore(id)
  reports.take(restored, asked)
  return restored
}
