// The stock stores as their users would set them up, bare and with checksums.

import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { type Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { FileStore } from '@tus/file-store'
import { type Options, S3Store } from '@tus/s3-store'
import type { DataStore } from '@tus/server'

const ALGORITHMS = ['md5', 'sha1', 'sha256'] as const

export type Digests = Map<string, Readonly<Record<string, string>>>

export interface StockStore {
  readonly store: DataStore
  /** By upload id, of uploads that came in one PATCH; empty without `isDigesting`. */
  readonly digests: Digests
}

export function stockFileStore(directory: string, isDigesting: boolean): StockStore {
  const digests: Digests = new Map()
  const store = isDigesting ? new DigestingFileStore(directory, digests) : new FileStore({ directory })
  return { store, digests }
}

/** On the bucket that the S3_* and AWS_* variables of `environment` name. */
export function stockS3Store(environment: NodeJS.ProcessEnv, isDigesting: boolean): StockStore {
  const digests: Digests = new Map()
  const options: Options = {
    s3ClientConfig: {
      bucket: textOf(environment, 'S3_BUCKET'),
      region: textOf(environment, 'S3_REGION'),
      endpoint: textOf(environment, 'S3_ENDPOINT'),
      forcePathStyle: true,
      // Ceph refuses the SDK's newer default, and without it the server has less to do.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    },
  }
  const store = isDigesting ? new DigestingS3Store(options, digests) : new S3Store(options)
  return { store, digests }
}

/** What a user of the stock packages would write to get checksums: a Transform on the way into the store. */
class DigestingFileStore extends FileStore {
  readonly #digests: Digests

  constructor(directory: string, digests: Digests) {
    super({ directory })
    this.#digests = digests
  }

  override async write(source: IncomingMessage | Readable, id: string, offset: number): Promise<number> {
    const { result, digests } = await hashing(source, (hashed) => super.write(hashed, id, offset))
    this.#digests.set(id, digests)
    return result
  }

  override async remove(id: string): Promise<void> {
    this.#digests.delete(id)
    await super.remove(id)
  }
}

class DigestingS3Store extends S3Store {
  readonly #digests: Digests

  constructor(options: Options, digests: Digests) {
    super(options)
    this.#digests = digests
  }

  override async write(source: Readable, id: string, offset: number): Promise<number> {
    const { result, digests } = await hashing(source, (hashed) => super.write(hashed, id, offset))
    this.#digests.set(id, digests)
    return result
  }
}

async function hashing<T>(
  source: Readable,
  write: (hashed: Transform) => Promise<T>,
): Promise<{ result: T; digests: Record<string, string> }> {
  const hashes = ALGORITHMS.map((algorithm) => ({ algorithm, hash: createHash(algorithm) }))
  const transform = new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      for (const { hash } of hashes) hash.update(chunk)
      callback(null, chunk)
    },
  })
  const [result] = await Promise.all([write(transform), pipeline(source, transform)])
  return {
    result,
    digests: Object.fromEntries(hashes.map(({ algorithm, hash }) => [algorithm, hash.digest('hex')])),
  }
}

function textOf(environment: NodeJS.ProcessEnv, name: string): string {
  const text = environment[name]
  if (text === undefined) throw new Error(`${name} is not set.`)
  return text
}
