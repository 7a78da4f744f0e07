// An upload's next bytes in HTTP's own words: PATCH with Content-Range. A thin dialect over the intake.

import type { RequestHandler } from 'express'
import { identityOf } from '../auth/bearer.js'
import { checkScope } from '../auth/identity.js'
import { ownScope } from '../auth/owner-scope.js'
import { AppError } from '../errors.js'
import { sendJson } from '../http/answer.js'
import { assertPlain, bodyLength } from '../http/request-body.js'
import type { Intake } from '../uploads/intake.js'
import { type Origins, reportOf } from '../uploads/report.js'
import { assertAlive, assertAppend, type Upload } from '../uploads/upload.js'
import { assertBodyOf, type ContentRange, parseContentRange } from './content-range-header.js'

/**
 * `PATCH /uploads/{id}` with Content-Range: 200 with the report, and the offset in Upload-Offset.
 *
 * The newest request writes, as with tus; of a body that is cut, what arrived is kept.
 */
export function contentRangePatch(intake: Intake, origins: Origins): RequestHandler {
  return async (request, response) => {
    const identity = identityOf(request)
    checkScope(identity, 'upload')
    const range = parseContentRange(request.headers['content-range'] ?? '')
    assertPlain(request.headers)
    const announcedBytes = bodyLength(request.headers)
    assertBodyOf(range, announcedBytes)
    const id = String(request.params.id)
    const claimed = await intake.claim(id, ownScope(identity))
    let { lease } = claimed
    request.uploadId = id
    try {
      assertFits(claimed.upload, range, intake.maxFileBytes)
      if (lease === null) throw new AppError('CONFLICT', 'The upload is whole already. Ask for its report.')
      const begun =
        range.sizeBytes !== null && claimed.upload.sizeBytes === null
          ? await intake.declareSize(lease, range.sizeBytes)
          : claimed.upload
      const held = lease
      // From here on the lease is the intake's to free.
      lease = null
      const upload = await intake.append(held, begun, {
        ...{ source: request, announcedBytes, checksum: null },
        mostBytes: range.endBytes - range.startBytes,
      })
      response.set('Upload-Offset', String(upload.offsetBytes))
      sendJson(response, reportOf(upload, origins))
    } finally {
      if (lease !== null) await intake.release(lease)
    }
  }
}

/** @throws GONE, OFFSET_MISMATCH with the offset, INVALID_INPUT for another size than is known, PAYLOAD_TOO_LARGE */
function assertFits(upload: Upload, range: ContentRange, maxFileBytes: number): void {
  assertAlive(upload)
  const { startBytes, endBytes, sizeBytes } = range
  const isOtherSize =
    sizeBytes !== null && upload.sizeBytes !== null && Number(upload.sizeBytes) !== sizeBytes
  if (isOtherSize) {
    throw new AppError(
      'INVALID_INPUT',
      `The upload has ${upload.sizeBytes} bytes, Content-Range says ${sizeBytes}. Send /${upload.sizeBytes} or /*.`,
      { details: { upload_length: Number(upload.sizeBytes) } },
    )
  }
  const announcedBytes = endBytes - startBytes
  assertAppend(upload, { offset: startBytes, announcedBytes, declaredSizeBytes: sizeBytes }, maxFileBytes)
}
