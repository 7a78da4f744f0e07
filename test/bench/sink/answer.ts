// What the sink answers to each operation, once the request's body has come.

import type { IncomingHttpHeaders } from 'node:http'
import type { S3Request } from './operation.js'
import { S3Failure, type Shelf, type ShelvedObject } from './shelf.js'
import { textsOf, type XmlFields, xmlDocument } from './xml.js'

export interface SinkAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** A number: so many zeros. */
  readonly body: Buffer | string | number
}

export interface ReceivedRequest extends S3Request {
  readonly headers: IncomingHttpHeaders
  readonly bodyBytes: number
  /** Null when it was too long to keep. */
  readonly body: Buffer | null
}

/** Throws S3Failure. */
export function answerOf(shelf: Shelf, request: ReceivedRequest): SinkAnswer {
  const { key, query } = request
  const uploadId = query.get('uploadId') ?? ''
  switch (request.operation) {
    case 'HeadBucket':
      return answer(200)
    case 'CreateMultipartUpload':
      return xml('InitiateMultipartUploadResult', {
        Key: key,
        UploadId: shelf.createMultipart(key, keptHeaders(request.headers)),
      })
    case 'UploadPart': {
      const { bodyBytes: sizeBytes, body: content } = request
      const { etag } = shelf.putPart(uploadId, Number(query.get('partNumber')), { sizeBytes, content })
      return answer(200, { ETag: etag })
    }
    case 'ListParts':
      return xml('ListPartsResult', { IsTruncated: false, Part: listedParts(shelf, uploadId) })
    case 'CompleteMultipartUpload':
      return xml('CompleteMultipartUploadResult', { Key: key, ETag: complete(shelf, uploadId, request).etag })
    case 'AbortMultipartUpload':
      shelf.multipart(uploadId)
      shelf.multiparts.delete(uploadId)
      return answer(204)
    case 'PutObject': {
      const { bodyBytes: sizeBytes, body: content } = request
      const { etag } = shelf.put(key, { sizeBytes, content, headers: keptHeaders(request.headers) })
      return answer(200, { ETag: etag })
    }
    case 'HeadObject': {
      const object = shelf.object(key)
      return answer(200, { ...objectHeaders(object), 'Content-Length': String(object.sizeBytes) })
    }
    case 'GetObject':
      return objectAnswer(shelf.object(key), request.headers.range)
    case 'DeleteObject':
      shelf.objects.delete(key)
      return answer(204)
    case 'DeleteObjects': {
      const keys = textsOf(bodyText(request), 'Key')
      for (const deleted of keys) shelf.objects.delete(deleted)
      return xml('DeleteResult', { Deleted: keys.map((deleted) => ({ Key: deleted })) })
    }
    case 'ListObjectsV2':
      return xml('ListBucketResult', {
        IsTruncated: false,
        Contents: [...shelf.objects]
          .filter(([name]) => name.startsWith(query.get('prefix') ?? ''))
          .map(([name, { sizeBytes, etag }]) => ({
            Key: name,
            Size: sizeBytes,
            ETag: etag,
            LastModified: now(),
          })),
      })
    case 'ListMultipartUploads':
      return xml('ListMultipartUploadsResult', {
        IsTruncated: false,
        Upload: [...shelf.multiparts]
          .filter(([, upload]) => upload.key.startsWith(query.get('prefix') ?? ''))
          .map(([id, upload]) => ({ Key: upload.key, UploadId: id, Initiated: now() })),
      })
  }
}

/** S3's way to say what went wrong. */
export function failureAnswer({ status, code, message }: S3Failure): SinkAnswer {
  return { ...xml('Error', { Code: code, Message: message }), status }
}

function listedParts(shelf: Shelf, uploadId: string): XmlFields[] {
  return [...shelf.multipart(uploadId).parts]
    .sort(([one], [other]) => one - other)
    .map(([partNumber, { etag, sizeBytes }]) => ({ PartNumber: partNumber, ETag: etag, Size: sizeBytes }))
}

function complete(shelf: Shelf, uploadId: string, request: ReceivedRequest): ShelvedObject {
  const body = bodyText(request)
  const etags = textsOf(body, 'ETag')
  const named = textsOf(body, 'PartNumber').map((partNumber, index) => {
    return { partNumber: Number(partNumber), etag: etags[index] ?? '' }
  })
  const declared = request.headers['x-amz-mp-object-size']
  return shelf.completeMultipart(uploadId, named, declared === undefined ? undefined : Number(declared))
}

/** The kept bytes, or zeros for those that were thrown away. */
function objectAnswer(object: ShelvedObject, range: string | undefined): SinkAnswer {
  const { sizeBytes, content } = object
  const match = /^bytes=(\d+)-(\d*)$/.exec(range ?? '')
  const start = match === null ? 0 : Number(match[1])
  const end = Math.min(match?.[2] ? Number(match[2]) + 1 : sizeBytes, sizeBytes)
  if (start >= end && sizeBytes > 0) throw new S3Failure(416, 'InvalidRange', `There are ${sizeBytes} bytes.`)
  const body = content?.subarray(start, end) ?? end - start
  if (match === null || sizeBytes === 0) return { status: 200, headers: objectHeaders(object), body }
  const headers = { ...objectHeaders(object), 'Content-Range': `bytes ${start}-${end - 1}/${sizeBytes}` }
  return { status: 206, headers, body }
}

function objectHeaders({ etag, headers }: ShelvedObject): Record<string, string> {
  return { ...headers, ETag: etag, 'Last-Modified': new Date().toUTCString() }
}

function keptHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      typeof value === 'string' && (name.startsWith('x-amz-meta-') || name === 'content-type')
        ? [[name, value]]
        : [],
    ),
  )
}

function bodyText({ body }: ReceivedRequest): string {
  if (body === null) throw new S3Failure(400, 'EntityTooLarge', 'The XML is longer than the sink reads.')
  return body.toString()
}

function answer(status: number, headers: Record<string, string> = {}): SinkAnswer {
  return { status, headers, body: '' }
}

function xml(root: string, fields: XmlFields): SinkAnswer {
  return { status: 200, headers: { 'Content-Type': 'application/xml' }, body: xmlDocument(root, fields) }
}

function now(): string {
  return new Date().toISOString()
}
