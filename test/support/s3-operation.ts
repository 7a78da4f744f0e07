// Which operation of S3 a request asks for, by method and query as the API reference has them: no client needs to say it.

export type Operation =
  | 'AbortMultipartUpload'
  | 'CompleteMultipartUpload'
  | 'CopyObject'
  | 'CreateBucket'
  | 'CreateMultipartUpload'
  | 'DeleteBucket'
  | 'DeleteObject'
  | 'DeleteObjects'
  | 'GetObject'
  | 'HeadBucket'
  | 'HeadObject'
  | 'ListBuckets'
  | 'ListMultipartUploads'
  | 'ListObjects'
  | 'ListObjectsV2'
  | 'ListParts'
  | 'PutObject'
  | 'UploadPart'
  | 'UploadPartCopy'
  | 'Other'

export interface S3Request {
  readonly operation: Operation
  /** '' where the request isn't about one object. */
  readonly key: string
  readonly partNumber: number | undefined
}

/**
 * What a request asks for.
 *
 * @param target path and query, the bucket in the path
 * @param isCopy whether there is an `x-amz-copy-source` header
 */
export function s3RequestOf(method: string, target: string, isCopy: boolean): S3Request {
  const { pathname, searchParams: query } = new URL(target, 'http://s3')
  const [, bucket, key] = /^\/([^/]*)\/?(.*)$/.exec(pathname) ?? []
  const part = query.get('partNumber')
  return {
    operation: operationOf(method, { level: key ? 'object' : bucket ? 'bucket' : 'service', query, isCopy }),
    key: decodeURIComponent(key ?? ''),
    partNumber: part === null ? undefined : Number(part),
  }
}

interface Target {
  readonly level: 'service' | 'bucket' | 'object'
  readonly query: URLSearchParams
  readonly isCopy: boolean
}

function operationOf(method: string, { level, query, isCopy }: Target): Operation {
  if (level === 'service') return method === 'GET' ? 'ListBuckets' : 'Other'
  return level === 'bucket' ? bucketOperationOf(method, query) : objectOperationOf(method, query, isCopy)
}

// A bucket's properties, which nobody here asks for: `GET /bucket?policy`.
const LISTING = ['delimiter', 'encoding-type', 'marker', 'max-keys', 'prefix', 'x-id']

function bucketOperationOf(method: string, query: URLSearchParams): Operation {
  if (method === 'GET' && query.has('uploads')) return 'ListMultipartUploads'
  if (method === 'GET' && query.get('list-type') === '2') return 'ListObjectsV2'
  if (method === 'POST' && query.has('delete')) return 'DeleteObjects'
  if ([...query.keys()].some((name) => !LISTING.includes(name))) return 'Other'
  const plain: Record<string, Operation> = {
    GET: 'ListObjects',
    HEAD: 'HeadBucket',
    PUT: 'CreateBucket',
    DELETE: 'DeleteBucket',
  }
  return plain[method] ?? 'Other'
}

function objectOperationOf(method: string, query: URLSearchParams, isCopy: boolean): Operation {
  const isOfMultipart = query.has('uploadId')
  switch (method) {
    case 'GET':
      return isOfMultipart ? 'ListParts' : 'GetObject'
    case 'HEAD':
      return 'HeadObject'
    case 'PUT':
      if (isOfMultipart) return isCopy ? 'UploadPartCopy' : 'UploadPart'
      return isCopy ? 'CopyObject' : 'PutObject'
    case 'POST':
      if (query.has('uploads')) return 'CreateMultipartUpload'
      return isOfMultipart ? 'CompleteMultipartUpload' : 'Other'
    case 'DELETE':
      return isOfMultipart ? 'AbortMultipartUpload' : 'DeleteObject'
    default:
      return 'Other'
  }
}
