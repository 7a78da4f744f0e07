// What a server holds: asked of the server, and looked up behind its back.

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { DeleteObjectsCommand, GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import { S3_PREFIX, type S3Place } from './s3-place.js'
import type { ServerName } from './servers.js'
import { KEPT_BYTES } from './sink/shelf.js'

export interface Content {
  /** Lowercase hex. */
  readonly sha256: string
  readonly sizeBytes: number
}

/** One server's uploads, told by their paths. */
export interface Holdings {
  /** Throws when the upload isn't complete, or when other bytes are found, or reported, than were sent. */
  expectStored(uploadPath: string, sent: Content): Promise<void>
  /** Where the content can be fetched without a credential. Local stores only. */
  downloadPath(uploadPath: string): Promise<string>
  /** The file that has the content. Local stores only. */
  storedFile(uploadPath: string): string
  remove(uploadPath: string): Promise<void>
}

interface Owner {
  readonly name: ServerName
  readonly origin: string
  readonly headers: Readonly<Record<string, string>>
}

/** Ours is believed its report, which it hashed as the bytes came; the stock stores' files are read. */
export function localHoldings(owner: Owner, directory: string): Holdings {
  const folder = owner.name === 'ours' ? join(directory, 'data', 'store', 'objects') : directory
  const storedFile = (uploadPath: string): string => join(folder, basename(uploadPath))
  return {
    storedFile,
    expectStored: async (uploadPath, sent) => {
      await expectReported(owner, uploadPath, sent)
      if (owner.name === 'ours') return
      const file = createReadStream(storedFile(uploadPath), { highWaterMark: 1024 * 1024 })
      expectSha256(owner.name, uploadPath, await sha256OfStream(file), sent)
    },
    downloadPath: async (uploadPath) => {
      if (owner.name !== 'ours') return `/sent/${basename(uploadPath)}`
      const report = await fetchJson(`${owner.origin}${uploadPath}`, owner.headers)
      return new URL(textOf(report, 'retrieval_url')).pathname
    },
    remove: (uploadPath) => removeByRequest(owner, uploadPath),
  }
}

/** All objects are read from S3; of what the sink threw away, the size is compared. */
export function s3Holdings(owner: Owner, place: S3Place): Holdings {
  const { bucket, client } = place
  const keyOf = (uploadPath: string): string => {
    const id = basename(uploadPath)
    return owner.name === 'ours' ? `${S3_PREFIX}/objects/${id}` : id
  }
  return {
    expectStored: async (uploadPath, sent) => {
      await expectReported(owner, uploadPath, sent)
      const object = { Bucket: bucket, Key: keyOf(uploadPath) }
      if (place.sink !== null && sent.sizeBytes > KEPT_BYTES) {
        const { ContentLength } = await client.send(new HeadObjectCommand(object))
        if (ContentLength === sent.sizeBytes) return
        throw new Error(`${owner.name} stored ${ContentLength} bytes, not ${sent.sizeBytes}.`)
      }
      const { Body } = await client.send(new GetObjectCommand(object))
      if (!(Body instanceof Readable)) throw new Error(`S3 sent no body for ${object.Key}.`)
      expectSha256(owner.name, uploadPath, await sha256OfStream(Body), sent)
    },
    downloadPath: async () => {
      throw new Error('Downloads are measured on local stores only.')
    },
    storedFile: () => {
      throw new Error('What is on S3 is no file.')
    },
    remove: async (uploadPath) => {
      if (owner.name === 'ours') return removeByRequest(owner, uploadPath)
      // The stock store answers DELETE of a finished upload with 404 and keeps it.
      const keys = [keyOf(uploadPath), `${keyOf(uploadPath)}.info`]
      const Objects = keys.map((Key) => ({ Key }))
      await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }))
    },
  }
}

/** What the server says of the content; the bare stock server says nothing. */
async function expectReported(
  { name, origin, headers }: Owner,
  uploadPath: string,
  sent: Content,
): Promise<void> {
  if (name === 'digests') {
    const digests = await fetchJson(`${origin}/digests/${basename(uploadPath)}`, {})
    expectSha256(name, uploadPath, textOf(digests, 'sha256'), sent)
  } else if (name === 'ours') {
    const report = await fetchJson(`${origin}${uploadPath}`, headers)
    const state = textOf(report, 'state')
    if (state !== 'ready') throw new Error(`${uploadPath} is in state ${state}.`)
    expectSha256(name, uploadPath, textOf(memberOf(report, 'checksums'), 'sha256'), sent)
  }
}

function expectSha256(name: ServerName, uploadPath: string, sha256: string, sent: Content): void {
  if (sha256 === sent.sha256) return
  throw new Error(`${name} has ${sha256} at ${uploadPath}, but ${sent.sha256} was sent.`)
}

async function sha256OfStream(stream: Readable): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(stream, hash)
  return hash.digest('hex')
}

async function removeByRequest({ name, origin, headers }: Owner, uploadPath: string): Promise<void> {
  const response = await fetch(`${origin}${uploadPath}`, { method: 'DELETE', headers })
  await response.arrayBuffer()
  if (response.status !== 204) throw new Error(`${name} answered DELETE with ${response.status}.`)
}

async function fetchJson(url: string, headers: Readonly<Record<string, string>>): Promise<unknown> {
  const response = await fetch(url, { headers })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}: ${text.slice(0, 500)}`)
  return JSON.parse(text)
}

function memberOf(value: unknown, member: string): unknown {
  if (typeof value !== 'object' || value === null) throw new Error(`No object to take ${member} from.`)
  return Object.entries(value).find(([name]) => name === member)?.[1]
}

function textOf(value: unknown, member: string): string {
  const text = memberOf(value, member)
  if (typeof text !== 'string') throw new Error(`The answer has no ${member}.`)
  return text
}
