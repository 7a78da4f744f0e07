// Which S3 operation an HTTP request is. Pure.

export const OPERATIONS = [
  'HeadBucket',
  'ListObjectsV2',
  'ListMultipartUploads',
  'DeleteObjects',
  'CreateMultipartUpload',
  'UploadPart',
  'ListParts',
  'CompleteMultipartUpload',
  'AbortMultipartUpload',
  'PutObject',
  'GetObject',
  'HeadObject',
  'DeleteObject',
] as const

export type Operation = (typeof OPERATIONS)[number]

export interface S3Request {
  readonly operation: Operation
  /** Decoded; '' for the bucket itself. */
  readonly key: string
  readonly query: URLSearchParams
}

/** Undefined for what the sink doesn't know. `url` is path-style: `/bucket/key?query`. */
export function s3RequestOf(method: string, url: string): S3Request | undefined {
  const { pathname, searchParams: query } = new URL(url, 'http://localhost')
  const [, , ...segments] = pathname.split('/')
  const key = decodeURIComponent(segments.join('/'))
  const operation = key === '' ? bucketOperation(method, query) : objectOperation(method, query)
  return operation === undefined ? undefined : { operation, key, query }
}

function bucketOperation(method: string, query: URLSearchParams): Operation | undefined {
  if (method === 'HEAD') return 'HeadBucket'
  if (method === 'POST' && query.has('delete')) return 'DeleteObjects'
  if (method !== 'GET') return undefined
  return query.has('uploads') ? 'ListMultipartUploads' : 'ListObjectsV2'
}

function objectOperation(method: string, query: URLSearchParams): Operation | undefined {
  const isMultipart = query.has('uploadId')
  switch (method) {
    case 'POST':
      return isMultipart
        ? 'CompleteMultipartUpload'
        : query.has('uploads')
          ? 'CreateMultipartUpload'
          : undefined
    case 'PUT':
      return isMultipart ? 'UploadPart' : 'PutObject'
    case 'GET':
      return isMultipart ? 'ListParts' : 'GetObject'
    case 'HEAD':
      return 'HeadObject'
    case 'DELETE':
      return isMultipart ? 'AbortMultipartUpload' : 'DeleteObject'
    default:
      return undefined
  }
}
