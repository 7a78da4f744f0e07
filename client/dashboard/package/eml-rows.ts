// What an EML document and a package have of each other, as the rows of one table: first what is to be done. Pure.

import type { EmlPatch } from '../../api/types.js'

export type MissingReason = EmlPatch['missing'][number]['reason']

export interface EmlRow {
  /** What the document calls it: its objectName, or else its entity; null: it doesn't name it at all. */
  inDocument: string | null
  /** The file of the package; null: there is none. */
  file: { id: string; path: string } | null
  /** Of what is missing. */
  reason: MissingReason | null
}

export interface EmlGroup {
  kind: 'missing' | 'unused' | 'matched'
  rows: EmlRow[]
  /** Of most of its rows; it is said once for them. */
  reason: MissingReason | null
}

/** Those with rows only. */
export function emlGroups({ matched, missing, unused }: Omit<EmlPatch, 'document'>): EmlGroup[] {
  const rows: [EmlGroup['kind'], EmlRow[]][] = [
    [
      'missing',
      missing.map(({ object_name, entity, reason }) => ({
        inDocument: object_name ?? (entity === '' ? null : entity),
        file: null,
        reason,
      })),
    ],
    [
      'unused',
      unused.map(({ path, upload_id: id }) => ({ inDocument: null, file: { id, path }, reason: null })),
    ],
    [
      'matched',
      matched.map(({ object_name: inDocument, path, upload_id: id }) => ({
        inDocument,
        file: { id, path },
        reason: null,
      })),
    ],
  ]
  return rows
    .filter(([, found]) => found.length > 0)
    .map(([kind, found]) => ({ kind, rows: found, reason: commonest(found) }))
}

/** Of reasons that are as frequent, the one that comes first. */
function commonest(rows: readonly EmlRow[]): MissingReason | null {
  const counts = new Map<MissingReason | null, number>()
  for (const { reason } of rows) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  const most = Math.max(...counts.values())
  return [...counts].find(([, count]) => count === most)?.[0] ?? null
}
