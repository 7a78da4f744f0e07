// One row of files, one after the other as its seed plans them, until nothing new is to be begun.

import type { Sent } from '../oracle.js'
import { sendByBody } from './by-body.js'
import { sendByParts } from './by-parts.js'
import { sendByRanges } from './by-ranges.js'
import { sendByTus } from './by-tus.js'
import { sendByTusJs } from './by-tus-js.js'
import { type Client, GivenUp } from './client.js'
import { RunOver } from './connection.js'
import { Doom, deleteForGood } from './doom.js'
import { type FilePlan, planFile, type Way } from './file-plan.js'
import { awaitOutcome } from './outcome.js'
import { Packages } from './packages.js'

type Send = (client: Client, plan: FilePlan, doomOf: (sent: Sent) => Doom) => Promise<Sent | null>

const sendBy: Readonly<Record<Way, Send>> = {
  tus: sendByTus,
  'tus-js': sendByTusJs,
  ranges: sendByRanges,
  body: sendByBody,
  parts: sendByParts,
}

const MIB = 1024 * 1024

/** How large a file may be, and how much of a row is kept: `disk` is small, and of the bucket's bytes all are in memory. */
const ROOM = {
  cluster: { mostBytes: 64 * MIB, keptBytes: 24 * MIB },
  disk: { mostBytes: 6 * MIB, keptBytes: 16 * MIB },
} as const

/**
 * Sends until `enough` says so, and brings what it has begun to its end.
 *
 * @param number counted from 0: with the seed it decides what is sent
 */
export async function upload(
  client: Client,
  { seed, number, enough }: { seed: number; number: number; enough: AbortSignal },
): Promise<void> {
  const packages = new Packages(client)
  const room = ROOM[client.place]
  const kept: Sent[] = []
  for (let nth = 0; !enough.aborted; nth += 1) {
    const plan = planFile({ seed, client: number, nth, mostBytes: room.mostBytes })
    client.oracle.planned(plan)
    try {
      const sent = await sendFile(client, plan, packages)
      if (sent !== null && sent.deletion === 'none') kept.push(sent)
      await tidy(client, kept, room.keptBytes)
      await packages.sent(nth)
      await client.connection.rest(plan.restMs)
    } catch (error) {
      if (error instanceof GivenUp) continue
      if (error instanceof RunOver) {
        client.oracle.violate(
          'not finished',
          `${plan.key} (${plan.way}) was still under way when the run had to end.`,
        )
        return
      }
      throw error
    }
  }
}

/** The oldest go when there are too many bytes, but for those that stand in packages. */
async function tidy(client: Client, kept: Sent[], keptBytes: number): Promise<void> {
  let bytes = kept.reduce((sum, { plan }) => sum + plan.sizeBytes, 0)
  for (const sent of [...kept]) {
    if (bytes <= keptBytes) return
    if (sent.plan.label !== null) continue
    await deleteForGood(client, client.connection, sent)
    client.oracle.count('tidied away')
    kept.splice(kept.indexOf(sent), 1)
    bytes -= sent.plan.sizeBytes
  }
}

async function sendFile(client: Client, plan: FilePlan, packages: Packages): Promise<Sent | null> {
  let doom: Doom | null = null
  const sent = await sendBy[plan.way](client, plan, (begun) => {
    doom = new Doom(client, begun)
    return doom
  })
  if (sent === null) return null
  const own: Doom = doom ?? new Doom(client, sent)
  // One that failed has nothing to be deleted.
  if (sent.failure === null) await own.complete()
  if (sent.deletion === 'none' && sent.failure === null) packages.joined(await awaitOutcome(client, sent))
  sent.isDone = true
  return sent
}
