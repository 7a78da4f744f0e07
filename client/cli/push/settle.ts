// After the last file: where the server checks contents, small files are still being looked at, and one may be refused.

import type { Antipasto } from '../../api/antipasto.js'
import { sleep } from '../../api/sleep.js'
import type { Report } from '../../api/types.js'
import type { Journal } from './journal.js'
import type { Place } from './names.js'

const LOOK_EACH_MS = 2_000

export interface SettleOptions {
  antipasto: Antipasto
  place: Place
  journal: Journal
  signal: AbortSignal
  /** So many are still being checked. */
  onWait: (files: number) => void
}

/** Waits until nothing that this push has sent is unfinished; answers what failed. */
export async function settle({
  antipasto,
  place,
  journal,
  signal,
  onWait,
}: SettleOptions): Promise<Report[]> {
  const filters = placeFilters(place)
  for (;;) {
    const unfinished = await ours('finalizing')
    if (unfinished.length === 0) return ours('failed')
    onWait(unfinished.length)
    await sleep(LOOK_EACH_MS, signal)
  }

  async function ours(state: Report['state']): Promise<Report[]> {
    const reports: Report[] = []
    for await (const report of antipasto.uploads.list({ ...filters, state: [state] }, signal)) {
      if (journal.hasDone(report.id)) reports.push(report)
    }
    return reports
  }
}

function placeFilters({ label, packageId }: Place): { package_id?: string; label?: string } {
  if (packageId !== null) return { package_id: packageId }
  return label === null ? {} : { label }
}
