import type { Event, Report } from '../../../client/api/types.js'
import type { UploadEvent } from '../../../client/dashboard/staged/report-after.js'

/** A ready upload, over whose members `members` go. */
export function aReport(members: Partial<Report> & { id: string }): Report {
  return {
    state: 'ready',
    key: null,
    label: null,
    package_id: null,
    relative_path: null,
    filename: `${members.id}.csv`,
    content_type: 'text/csv',
    note: null,
    size: 1_000,
    offset: 1_000,
    reread_bytes: null,
    checksums: { md5: 'a'.repeat(32), sha1: 'b'.repeat(40), sha256: 'c'.repeat(64) },
    declared_checksums: { md5: null, sha1: null, sha256: null },
    file_id: 'c'.repeat(64),
    retrieval_url: `https://staging.example.org/r/${members.id}/file.csv`,
    eml_url: null,
    created_at: '2026-11-01T00:00:00.000Z',
    finished_at: '2026-11-01T00:01:00.000Z',
    expires_at: '2026-12-01T00:00:00.000Z',
    expires_in: 86_400,
    restorable_until: null,
    warnings: [],
    error: null,
    ...members,
  }
}

/** What the server tells of it. */
export function anEvent(report: Report, type: UploadEvent['type'], sequence = 1): Event {
  return {
    sequence,
    type,
    at: type === 'upload.created.v1' ? report.created_at : '2026-11-02T00:00:00.000Z',
    owner: 'default',
    upload_id: report.id,
    package_id: report.package_id,
    data: {
      state: report.state,
      filename: report.filename,
      label: report.label,
      relative_path: report.relative_path,
      size: report.size,
      sha256: report.checksums?.sha256 ?? null,
      expires_at: report.expires_at,
      error: report.error?.code ?? null,
      by: null,
    },
  }
}
