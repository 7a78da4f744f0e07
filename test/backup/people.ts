// Who uploads while a backup is made, and remembers what was acknowledged.

import { expect } from '@jest/globals'
import type { Report } from '../../server/uploads/report.js'
import { bodyOf, RestClient } from '../dialects/rest-client.js'
import { bytesFrom } from '../end-to-end/evidence.js'

export interface Sent {
  readonly id: string
  readonly bytes: Buffer
}

/** A file in one request. */
export async function sendFile(rest: RestClient, bytes: Buffer, query = ''): Promise<Sent> {
  const answer = await rest.send('POST', `/files?filename=lake.csv${query}`, {}, bytes)
  expect(answer.status).toBe(201)
  return { id: String(answer.headers.location).split('/').at(-1) ?? '', bytes }
}

/** The first `sentBytes` of a file, as a session that waits for the rest. */
export async function sendHalf(rest: RestClient, bytes: Buffer, sentBytes: number): Promise<Sent> {
  const begun = await rest.json('POST', '/uploads', { filename: 'half.bin', size: bytes.length })
  const { id } = bodyOf(begun)
  const answer = await rest.patch(id, 0, bytes.subarray(0, sentBytes), bytes.length)
  expect(answer.status).toBeLessThan(300)
  return { id, bytes }
}

/** Sends what is missing of a session, and finishes it. @returns its last report */
export async function sendRest(rest: RestClient, { id, bytes }: Sent): Promise<Report> {
  const { offset } = await rest.report(id)
  expect((await rest.patch(id, offset, bytes.subarray(offset), bytes.length)).status).toBeLessThan(300)
  return bodyOf(await rest.complete(id))
}

/** What its retrieval URL answers. */
export async function download(rest: RestClient, id: string): Promise<Buffer> {
  const { retrieval_url: url, state } = await rest.report(id)
  expect(state).toBe('ready')
  const answer = await rest.send('GET', new URL(String(url)).pathname)
  expect(answer.status).toBe(200)
  return answer.body
}

export interface Traffic {
  /** Acknowledged, in the order in which they were. */
  readonly sent: Sent[]
  /** Asked to be deleted. */
  readonly deleted: Set<string>
  /** Sessions that were begun. */
  readonly begun: Set<string>
  stop(): Promise<void>
}

/** Small files, sessions in two steps and deletions, without a pause. */
export function startTraffic(server: { url: string; key: string }): Traffic {
  const isOver = new AbortController()
  const sent: Sent[] = []
  const deleted = new Set<string>()
  const begun = new Set<string>()
  const people = [1, 2, 3].map(async (person) => {
    const rest = new RestClient(server)
    for (let round = 0; !isOver.signal.aborted; round += 1) {
      const file = await sendFile(rest, bytesFrom(person * 10_000 + round, 2000 + round))
      sent.push(file)
      if (round % 3 === 0) {
        deleted.add(file.id)
        expect((await rest.send('DELETE', `/uploads/${file.id}`)).status).toBe(204)
      }
      if (round % 4 === 0) {
        const half = await sendHalf(rest, bytesFrom(person * 20_000 + round, 5000), 2500)
        begun.add(half.id)
        expect((await sendRest(rest, half)).state).toBe('ready')
        sent.push(half)
      }
    }
  })
  return {
    sent,
    deleted,
    begun,
    async stop() {
      isOver.abort()
      await Promise.all(people)
    },
  }
}
