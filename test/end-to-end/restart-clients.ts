// Clients as users run them, each over and over until it is told to stop: what they were refused, and what they have.

import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { Antipasto } from '../../client/api/antipasto.js'
import { bytesSource } from '../../client/api/bytes-source.js'
import type { Wait } from '../../client/api/connection.js'
import { send } from '../../client/api/send.js'
import { bytesFrom } from './evidence.js'
import { get, problemCode, type RawTus } from './raw-tus.js'
import { startUpload } from './tus-client.js'

const MIB = 1024 * 1024

export interface Place {
  readonly url: string
  readonly key: string
}

/** What a client tells when it has stopped. */
export interface Told {
  /** Ids of uploads that it was told are whole, with their bytes. */
  readonly uploads: { readonly id: string; readonly source: Buffer }[]
  /** How many rounds it made. */
  rounds: number
  /** What it was refused, as "PATCH 503 UNAVAILABLE", or why a connection broke. */
  readonly refusals: string[]
}

export type Client = (signal: AbortSignal) => Promise<Told>

function nothing(): Told {
  return { uploads: [], rounds: 0, refusals: [] }
}

/** tus-js-client in chunks, with its own four tries at 0, 1, 3 and 5 s: it gives up when they don't do. */
export function chunks(place: Place, seed: number): Client {
  return async (signal) => {
    const told = nothing()
    while (!signal.aborted) {
      const source = bytesFrom(seed + told.rounds, 9 * MIB + told.rounds)
      const watched = startUpload(source, place, {
        chunkSize: 2 * MIB,
        retryDelays: [0, 1_000, 3_000, 5_000],
      })
      await watched.done
      told.refusals.push(...watched.headRefusals.map((status) => `HEAD ${status}`), ...watched.losses)
      if (watched.creations() !== 1) told.refusals.push(`${watched.creations()} creations`)
      told.uploads.push({ id: watched.id(), source })
      told.rounds += 1
    }
    return told
  }
}

/** One long PATCH at 4 MiB a second, which goes on by HEAD where it was paused. */
export function longPatch(tus: RawTus, seed: number): Client {
  return async (signal) => {
    const told = nothing()
    while (!signal.aborted) {
      const source = bytesFrom(seed + told.rounds, 24 * MIB)
      const id = await tus.create(source.byteLength)
      for (let offset = 0; offset < source.byteLength; ) {
        const patch = tus.startPatch(id, offset, source.byteLength - offset)
        let isAnswered = false
        void patch.answer.then(() => {
          isAnswered = true
        })
        for (let at = offset; at < source.byteLength && !isAnswered; at += 64 * 1024) {
          await patch.write(source.subarray(at, at + 64 * 1024))
          await sleep(signal.aborted ? 0 : 16)
        }
        if (!isAnswered) patch.end()
        const answer = await patch.answer
        if (answer?.status !== 204) told.refusals.push(`PATCH ${answer?.status} ${problemCode(answer)}`)
        let head = await tus.head(id)
        for (; head.status === 423; head = await tus.head(id)) {
          // nginx's own answer has no id: no instance took the question.
          told.refusals.push(`HEAD 423 ${head.headers['x-request-id'] === undefined ? 'of nginx' : 'LOCKED'}`)
          await sleep(500)
        }
        if (head.status !== 200) told.refusals.push(`HEAD ${head.status}`)
        else if (Number(head.headers['upload-offset']) < offset) told.refusals.push('acknowledged bytes lost')
        else offset = Number(head.headers['upload-offset'])
      }
      told.uploads.push({ id, source })
      told.rounds += 1
    }
    return told
  }
}

/** Small files by the typed client, one after the other. */
export function smallFiles(place: Place, seed: number): Client {
  return async (signal) => {
    const told = nothing()
    const { connection } = new Antipasto({ url: place.url, token: place.key })
    while (!signal.aborted) {
      const source = bytesFrom(seed + told.rounds, 20_000)
      const sent = await send(connection, bytesSource(source), {
        metadata: { filename: `${told.rounds}.csv` },
        onWait: ({ error }) => void told.refusals.push(`waited: ${error}`),
      })
      told.uploads.push({ id: sent.url.split('/').at(-1) ?? '', source })
      told.rounds += 1
    }
    return told
  }
}

/** `curl --retry`'s way: whole files by POST, over kept connections; what is refused with 503 is sent once more. */
export function plainPosts(place: Place, seed: number): Client {
  return async (signal) => {
    const told = nothing()
    while (!signal.aborted) {
      const source = bytesFrom(seed + told.rounds, 50_000)
      const response = await fetch(`${place.url}/files?filename=${told.rounds}.csv`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${place.key}`, 'Content-Type': 'text/csv' },
        body: new Uint8Array(source),
      })
      if (response.status === 201) {
        const { upload_id: id } = (await response.json()) as { upload_id: string }
        told.uploads.push({ id, source })
        told.rounds += 1
      } else told.refusals.push(`POST ${response.status} ${(await response.text()).slice(0, 200)}`)
    }
    return told
  }
}

/** Asks again and again, as a page does, and takes no refusal. */
export function reports({ url, key }: Place): Client {
  return async (signal) => {
    const told = nothing()
    for (; !signal.aborted; told.rounds += 1) {
      const response = await fetch(`${url}/uploads?limit=20`, { headers: { Authorization: `Bearer ${key}` } })
      await response.arrayBuffer()
      if (response.status !== 200) told.refusals.push(`GET ${response.status}`)
    }
    return told
  }
}

/** Downloads that take no time: none may break. */
export function shortDownloads(retrievalUrl: string, source: Buffer): Client {
  return async (signal) => {
    const told = nothing()
    for (; !signal.aborted; told.rounds += 1) {
      const answer = await get(retrievalUrl)
      if (answer.status !== 200 || !answer.body.equals(source)) told.refusals.push(`GET ${answer.status}`)
    }
    return told
  }
}

/** A download at some 3 MiB a second, longer than a stop waits: it goes on by Range where it was cut. */
export function longDownload(retrievalUrl: string, source: Buffer): Client {
  return async (signal) => {
    const told = nothing()
    for (; !signal.aborted; told.rounds += 1) {
      let fetched = Buffer.alloc(0)
      while (fetched.byteLength < source.byteLength) {
        const part = await readSlowly(retrievalUrl, fetched.byteLength, signal)
        fetched = Buffer.concat([fetched, part.bytes])
        if (part.trouble !== null) told.refusals.push(part.trouble)
      }
      if (!fetched.equals(source)) told.refusals.push('other bytes')
    }
    return told
  }
}

function readSlowly(
  url: string,
  from: number,
  signal: AbortSignal,
): Promise<{ bytes: Buffer; trouble: string | null }> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = []
    const end = (trouble: string | null): void => resolve({ bytes: Buffer.concat(pieces), trouble })
    const request = http.get(url, { agent: false, headers: from === 0 ? {} : { Range: `bytes=${from}-` } })
    request.once('error', () => end('download cut'))
    request.once('response', async (response) => {
      if (response.statusCode !== (from === 0 ? 200 : 206)) return end(`GET ${response.statusCode}`)
      try {
        for await (const piece of response) {
          pieces.push(piece)
          await sleep(signal.aborted ? 0 : (piece.byteLength / (3 * MIB)) * 1_000)
        }
        end(null)
      } catch {
        end('download cut')
      }
    })
  })
}

/** Who follows the log: ids of the uploads that became ready, in order, over every break. */
export function readyEvents(place: Place, ready: string[]): Client {
  return async (signal) => {
    const told = nothing()
    const antipasto = new Antipasto({ url: place.url, token: place.key })
    const wait = ({ error }: Wait): void => void told.refusals.push(`waited: ${error}`)
    try {
      for await (const event of antipasto.events({ follow: true, signal, onWait: wait })) {
        told.rounds += 1
        if (event.type === 'upload.ready.v1') ready.push(String(event.upload_id))
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
    return told
  }
}
