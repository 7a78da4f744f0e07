// What the stores hold against what the records say they hold: nothing without an owner. Pure, but for the listings.

import { readdir } from 'node:fs/promises'
import path from 'node:path'
import type { TestBucket } from '../../support/s3.js'
import type { Records } from './records.js'
import type { Violate } from './uploads.js'

const LIVING: readonly string[] = ['receiving', 'finalizing']

export async function judgeBucket(bucket: TestBucket, records: Records, violate: Violate): Promise<void> {
  const { objects, multiparts } = await bucket.list()
  const blobs = new Map(records.blobs.map(({ objectKey, sizeBytes }) => [objectKey, sizeBytes]))
  const living = livingOf(records)
  for (const { key, sizeBytes } of objects) {
    const [room, id = '', name = ''] = key.slice(bucket.prefix.length + 1).split('/')
    if (room === 'objects' && blobs.get(id) === sizeBytes) continue
    const isPiece = records.parts.some((part) => part.uploadId === id && part.name === name)
    if (room === 'tmp' && living.has(id) && isPiece) continue
    if (room === 'objects' && living.has(id)) continue
    violate('object of nobody', `${key}, ${sizeBytes} bytes${whatIs(records, id)}`)
  }
  const found = new Set(objects.map(({ key }) => key))
  for (const { objectKey, sha256 } of records.blobs) {
    if (!found.has(`${bucket.prefix}/objects/${objectKey}`)) {
      violate('bytes lost', `the object ${objectKey} of blob ${sha256} isn't there.`)
    }
  }
  for (const { key, uploadId, parts } of multiparts) {
    const id = key.split('/').at(-1) ?? ''
    if (living.get(id) === uploadId) continue
    violate(
      'multipart upload of nobody',
      `${key} ${uploadId} with ${parts.length} parts${whatIs(records, id)}`,
    )
  }
}

/** @param folder with the rooms `tmp` and `objects` */
export async function judgeFolder(folder: string, records: Records, violate: Violate): Promise<void> {
  const blobs = new Set(records.blobs.map(({ objectKey }) => objectKey))
  const living = livingOf(records)
  for (const name of await readdir(path.join(folder, 'objects'))) {
    if (!blobs.has(name) && !living.has(name))
      violate('file of nobody', `objects/${name}${whatIs(records, name)}`)
    blobs.delete(name)
  }
  for (const name of blobs) violate('bytes lost', `the file objects/${name} isn't there.`)
  for (const name of await readdir(path.join(folder, 'tmp'))) {
    if (!living.has(name)) violate('file of nobody', `tmp/${name}${whatIs(records, name)}`)
  }
}

/** The multipart upload of each upload that still may have unfinished bytes. */
function livingOf({ uploads }: Records): Map<string, string | null> {
  const living = uploads.filter(({ state, restoreState }) => LIVING.includes(restoreState ?? state))
  return new Map(living.map(({ id, multipartId }) => [id, multipartId]))
}

function whatIs({ uploads }: Records, id: string): string {
  const upload = uploads.find((each) => each.id === id)
  return upload === undefined ? '; no record of it' : `; its upload is ${upload.state}, by ${upload.finish}`
}
