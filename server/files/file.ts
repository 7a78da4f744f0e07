// A file as its metadata: content, by its name. Pure.

import type { z } from 'zod'
import { AppError } from '../errors.js'
import { fileNameOf, retrievalUrl } from '../uploads/report.js'
import type { Upload } from '../uploads/upload.js'
import type { fileSchema } from './operations.js'

/** @param upload ready. @param origin of retrieval URLs */
export function fileOf(upload: Upload, origin: string): z.output<typeof fileSchema> {
  const { md5, sha1, sha256, sizeBytes } = upload
  if (md5 === null || sha1 === null || sha256 === null || sizeBytes === null) {
    throw new AppError('INTERNAL', 'An upload that is not ready was taken for a file.')
  }
  return {
    file_id: sha256,
    size: Number(sizeBytes),
    checksums: { md5, sha1, sha256 },
    content_type: upload.contentType,
    filename: fileNameOf(upload),
    created_at: upload.createdAt.toISOString(),
    upload_id: upload.id,
    retrieval_url: retrievalUrl(upload, origin),
    label: upload.label,
    package_id: upload.packageId,
    relative_path: upload.packagePath ?? upload.relativePath,
    warnings: upload.warnings,
  }
}
