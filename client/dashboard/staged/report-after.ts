// What an event says of an upload's report. Pure.

import type { Event, Report, UploadState } from '../../api/types.js'

export type UploadEvent = Extract<Event, { upload_id: string }>

/** An upload only goes on from one to the next, unless its deletion is undone. */
const STAGE: Record<UploadState, number> = {
  receiving: 0,
  finalizing: 1,
  ready: 2,
  failed: 2,
  canceled: 3,
  expired: 3,
  deleted: 3,
}

/**
 * The report as far as it is known after `event`: the members that events tell are the event's, the others stay.
 *
 * An answer may have overtaken the events before it: those don't take it back.
 */
export function reportAfter(before: Report | undefined, event: UploadEvent): Report {
  const { data } = event
  const state = data.state as UploadState // the server's schema says text; the states are those of its reports
  const known = before ?? newReport(event)
  if (event.type !== 'upload.restored.v1' && STAGE[state] < STAGE[known.state]) return known
  const isReady = state === 'ready'
  return {
    ...known,
    state,
    filename: data.filename,
    label: data.label,
    relative_path: data.relative_path,
    package_id: event.package_id,
    size: data.size,
    offset: isReady || state === 'finalizing' ? (data.size ?? known.offset) : known.offset,
    expires_at: data.expires_at,
    retrieval_url: isReady ? known.retrieval_url : null,
    error: data.error === null ? null : { code: data.error, detail: known.error?.detail ?? '' },
  }
}

function newReport({ upload_id: id, at }: UploadEvent): Report {
  return {
    id,
    state: 'receiving',
    key: null,
    label: null,
    package_id: null,
    relative_path: null,
    filename: null,
    content_type: null,
    note: null,
    size: null,
    offset: 0,
    reread_bytes: null,
    checksums: null,
    declared_checksums: { md5: null, sha1: null, sha256: null },
    file_id: null,
    retrieval_url: null,
    eml_url: null,
    created_at: at,
    finished_at: null,
    expires_at: null,
    expires_in: null,
    restorable_until: null,
    warnings: [],
    error: null,
  }
}
