// What happened, as rows. Events are written by the statement that makes them true, so none can be lost or invented.

import { Prisma } from '../../prisma/generated/client.js'

export type UploadEventType =
  | 'upload.created.v1'
  | 'upload.finalizing.v1'
  | 'upload.ready.v1'
  | 'upload.failed.v1'
  | 'upload.canceled.v1'
  | 'upload.expired.v1'
  | 'upload.deleted.v1'

/**
 * The INSERT that tells what happened to the rows of `changed`, a CTE or table with the columns of `uploads`.
 *
 * Goes into the same statement or transaction as the change itself. Several types are numbered in their order.
 */
export function appendUploadEvents(changed: 'changed' | 'uploads', ...types: UploadEventType[]): Prisma.Sql {
  return Prisma.sql`
    INSERT INTO events (type, owner, upload_id, data)
    SELECT told.type, owner, id, jsonb_build_object(
      'state', state, 'filename', filename, 'label', label, 'size', size_bytes, 'sha256', sha256, 'error', error_code)
    FROM ${Prisma.raw(changed)}, unnest(${types}::text[]) WITH ORDINALITY AS told (type, place)
    ORDER BY told.place`
}
