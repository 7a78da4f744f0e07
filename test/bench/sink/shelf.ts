// What the sink remembers: sizes of everything, bytes of small objects only. In memory, no I/O.

import { randomBytes } from 'node:crypto'

/** Up to here an object's bytes are kept: the stock store's `.info`, the small files. */
export const KEPT_BYTES = 64 * 1024

export interface ShelvedObject {
  readonly sizeBytes: number
  readonly etag: string
  /** Null for an object whose bytes were thrown away. */
  readonly content: Buffer | null
  /** `x-amz-meta-*` and `content-type`, names in lower case. */
  readonly headers: Readonly<Record<string, string>>
}

export interface ShelvedPart {
  readonly etag: string
  readonly sizeBytes: number
  /** Null when its bytes were thrown away. */
  readonly content: Buffer | null
}

export interface MultipartUpload {
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  readonly parts: Map<number, ShelvedPart>
}

/** An S3 error: what the answer says. */
export class S3Failure extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

export class Shelf {
  readonly objects = new Map<string, ShelvedObject>()
  readonly multiparts = new Map<string, MultipartUpload>()

  put(key: string, object: Omit<ShelvedObject, 'etag'>): ShelvedObject {
    const shelved = { ...object, etag: newEtag() }
    this.objects.set(key, shelved)
    return shelved
  }

  /** Throws NoSuchKey. */
  object(key: string): ShelvedObject {
    const object = this.objects.get(key)
    if (object === undefined) throw new S3Failure(404, 'NoSuchKey', `There is no ${key}.`)
    return object
  }

  createMultipart(key: string, headers: Readonly<Record<string, string>>): string {
    const uploadId = randomBytes(16).toString('hex')
    this.multiparts.set(uploadId, { key, headers, parts: new Map() })
    return uploadId
  }

  putPart(uploadId: string, partNumber: number, part: Omit<ShelvedPart, 'etag'>): ShelvedPart {
    const shelved = { ...part, etag: newEtag() }
    this.multipart(uploadId).parts.set(partNumber, shelved)
    return shelved
  }

  /** Throws NoSuchUpload. */
  multipart(uploadId: string): MultipartUpload {
    const multipart = this.multiparts.get(uploadId)
    if (multipart === undefined) throw new S3Failure(404, 'NoSuchUpload', `There is no upload ${uploadId}.`)
    return multipart
  }

  /**
   * Makes an object of the named parts.
   *
   * InvalidPart for a part that never came or came again since; InvalidRequest when the parts are not `declaredBytes`
   * together (undefined: not declared).
   */
  completeMultipart(
    uploadId: string,
    named: readonly { partNumber: number; etag: string }[],
    declaredBytes: number | undefined,
  ): ShelvedObject {
    const { key, headers, parts } = this.multipart(uploadId)
    const chosen = named.map(({ partNumber, etag }) => {
      const part = parts.get(partNumber)
      if (part?.etag !== etag) throw new S3Failure(400, 'InvalidPart', `Part ${partNumber} is not ${etag}.`)
      return part
    })
    const sizeBytes = chosen.reduce((sum, part) => sum + part.sizeBytes, 0)
    if (declaredBytes !== undefined && declaredBytes !== sizeBytes) {
      throw new S3Failure(400, 'InvalidRequest', `The parts have ${sizeBytes} bytes, not ${declaredBytes}.`)
    }
    this.multiparts.delete(uploadId)
    return this.put(key, { sizeBytes, content: contentOf(chosen), headers })
  }
}

/** Of several parts the bytes are not kept: the stock store sends a small file as one. */
function contentOf(parts: readonly ShelvedPart[]): Buffer | null {
  const [only, ...others] = parts
  return others.length === 0 ? (only?.content ?? null) : null
}

/** Nothing is hashed: the sink must not be what is measured. */
function newEtag(): string {
  return `"${randomBytes(16).toString('hex')}"`
}
