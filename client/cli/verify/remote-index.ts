// What the server has under a label or in a package, by path: what local files are held against.

import type { Antipasto } from '../../api/antipasto.js'
import type { Report, UploadFilters } from '../../api/types.js'
import type { RemoteContent } from './verdict.js'

export type RemotePlace = { label: string } | { packageId: string }

/** In memory, as each local file may be any of them: some 300 bytes each. */
export async function remoteIndex(
  antipasto: Antipasto,
  place: RemotePlace,
  signal: AbortSignal,
): Promise<Map<string, RemoteContent>> {
  const index = new Map<string, RemoteContent>()
  const filters: UploadFilters =
    'label' in place ? { label: place.label, state: ['ready', 'receiving', 'finalizing'] } : {}
  const reports =
    'label' in place
      ? antipasto.uploads.list(filters, signal)
      : antipasto.packages.files(place.packageId, signal)
  for await (const report of reports) {
    const path = pathOf(report)
    const known = index.get(path)
    // Newest first. One that is being sent again doesn't hide the one that is there.
    if (known === undefined || (!known.isReady && report.state === 'ready'))
      index.set(path, contentOf(report))
  }
  return index
}

function pathOf({ relative_path, filename, id }: Report): string {
  return (relative_path ?? filename ?? id).normalize('NFC')
}

function contentOf({ id, state, size, checksums }: Report): RemoteContent {
  return { uploadId: id, isReady: state === 'ready', sizeBytes: size, sha256: checksums?.sha256 ?? null }
}
