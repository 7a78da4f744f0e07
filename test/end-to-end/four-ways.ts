// The four ways into a package, each by what its users have: tus-js-client, a plain body, FormData, ranges.

import { expect } from '@jest/globals'
import type { Report } from '../../server/uploads/report.js'
import { bodyOf, queryOf, type RestClient } from '../dialects/rest-client.js'
import { startParallelUpload } from './parallel-client.js'
import { nameOf, type SurveyFile, type Way } from './survey.js'
import { startUpload } from './tus-client.js'

export interface Destination {
  readonly server: { readonly url: string; readonly key: string }
  readonly rest: RestClient
  readonly packageId: string
  /** Of that package. */
  readonly label: string
}

/** Sends it with its digest declared. @returns the upload's id */
export type Send = (file: SurveyFile, to: Destination) => Promise<string>

export const send: Readonly<Record<Way, Send>> = { tus: byTus, raw: byBody, form: byForm, session: byRanges }

const CHUNK_BYTES = 5_000_000

/** By label, in which it differs from the others. */
async function byTus(file: SurveyFile, { server, label }: Destination): Promise<string> {
  const metadata = {
    filename: nameOf(file),
    filetype: file.mediaType,
    label,
    sha1: file.digests.sha1,
    ...(file.sendsPath ? { relativePath: file.path } : {}),
  }
  const { parallelUploads } = file
  const sent =
    parallelUploads > 1
      ? startParallelUpload(file.bytes, server, { metadata, parallelUploads, chunkSize: CHUNK_BYTES })
      : startUpload(file.bytes, server, { metadata, chunkSize: CHUNK_BYTES })
  await sent.done
  expect(sent.losses).toEqual([])
  return sent.id()
}

/** Every other one by the package's own route. */
async function byBody(file: SurveyFile, { rest, packageId }: Destination): Promise<string> {
  const members = {
    filename: nameOf(file),
    relative_path: file.sendsPath ? file.path : undefined,
    size: file.bytes.length,
    sha256: file.digests.sha256,
  }
  const target = isEven(file)
    ? `/files?${queryOf({ ...members, package_id: packageId })}`
    : `/packages/${packageId}/files?${queryOf(members)}`
  const answer = await rest.send('POST', target, { 'Content-Type': file.mediaType }, file.bytes)
  expect([answer.status, answer.body.toString()]).toEqual([201, expect.any(String)])
  return bodyOf<{ upload_id: string }>(answer).upload_id
}

async function byForm(file: SurveyFile, { server, packageId, label }: Destination): Promise<string> {
  const form = new FormData()
  // FormData writes quotes as %22, and nobody can tell them from real ones: so the name comes as a field.
  form.set('filename', nameOf(file))
  if (file.sendsPath) form.set('relative_path', file.path)
  if (isEven(file)) form.set('label', label)
  form.set('md5', file.digests.md5)
  form.set('file', new Blob([new Uint8Array(file.bytes)], { type: file.mediaType }), 'blob')
  const target = isEven(file) ? '/files' : `/packages/${packageId}/files`
  const answer = await fetch(server.url + target, {
    method: 'POST',
    headers: { Authorization: `Bearer ${server.key}` },
    body: form,
  })
  const body = await answer.json()
  expect([answer.status, body]).toEqual([201, expect.any(Object)])
  return body.upload_id
}

/** Opened in the package or nowhere, sent in three pieces, placed when it is completed. */
async function byRanges(file: SurveyFile, { rest, packageId }: Destination): Promise<string> {
  const { bytes } = file
  const size = isEven(file) ? bytes.length : undefined
  const opened = await rest.json('POST', '/uploads', {
    filename: nameOf(file),
    content_type: file.mediaType,
    size,
    checksums: { md5: file.digests.md5 },
  })
  expect(opened.status).toBe(201)
  const { id } = bodyOf(opened)
  const pieceBytes = Math.ceil(bytes.length / 3)
  for (let start = 0; start < bytes.length; start += pieceBytes) {
    const piece = bytes.subarray(start, start + pieceBytes)
    const answer = await rest.patch(id, start, piece, size ?? '*')
    expect([answer.status, answer.headers['upload-offset']]).toEqual([200, String(start + piece.length)])
  }
  const completed = await rest.complete(id, {
    package_id: packageId,
    ...(file.sendsPath ? { relative_path: file.path } : {}),
    checksums: file.digests,
  })
  expect(completed.status).toBe(200)
  expect(bodyOf<Report>(completed).package_id).toBe(packageId)
  return id
}

function isEven({ bytes }: SurveyFile): boolean {
  return bytes.length % 2 === 0
}
