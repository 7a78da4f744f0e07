// tus 1.0.0 by our own hands: each step asks for its offset after whatever has gone wrong, and goes on there.

import { createHash } from 'node:crypto'
import { encodeMetadata } from '../../end-to-end/raw-tus.js'
import type { Sent } from '../oracle.js'
import { bodyOf } from './body.js'
import { type Client, GivenUp } from './client.js'
import { type Answer, codeOf, headerOf, isPassing, locatedId, offsetIn } from './connection.js'
import { contentOf, digestsOfContent } from './content.js'
import type { Doom } from './doom.js'
import type { FilePlan } from './file-plan.js'
import { awaitOutcome, judgeEnd, refuse, reportFor } from './outcome.js'

const TUS = { 'tus-resumable': '1.0.0' }
const BYTES = { ...TUS, 'content-type': 'application/offset+octet-stream' }

/** Which bytes of the plan's file an upload has: all of them, or those of a part. */
export interface Extent {
  readonly fromBytes: number
  readonly toBytes: number
}

/**
 * Creates it, in every second case with its first bytes.
 *
 * @returns null when it was refused as planned, and nothing else is to be done
 * @throws RunOver, GivenUp
 */
export async function createByTus(client: Client, plan: FilePlan): Promise<Sent | null> {
  const withBody = !plan.isDeferred && plan.chunkBytes % 2 === 0
  const firstBytes = withBody ? Math.min(plan.chunkBytes, plan.sizeBytes) : 0
  const answer = await client.connection.persist(() => ({
    method: 'POST',
    path: '/uploads',
    headers: {
      ...(firstBytes > 0 ? BYTES : TUS),
      'content-length': String(firstBytes),
      ...(plan.isDeferred ? { 'upload-defer-length': '1' } : { 'upload-length': String(plan.sizeBytes) }),
      'upload-metadata': encodeMetadata(metadataOf(plan)),
      ...(plan.isRepeatable ? { 'idempotency-key': plan.key } : {}),
    },
    ...(firstBytes > 0 ? { body: bodyOf(plan, [0, firstBytes], client) } : {}),
  }))
  const id = locatedId(answer)
  if (answer.status === 201 && id !== null) {
    const sent = client.oracle.created(client.place, id, plan)
    client.oracle.offsetTold(sent, offsetIn(answer) ?? 0, { leastBytes: 0, mostBytes: firstBytes })
    return sent
  }
  // Whole with its first request, or made before and failed since.
  const isPlanned = plan.declares === 'wrong' && (codeOf(answer) === 'HASH_MISMATCH' || answer.status === 410)
  if (isPlanned) {
    client.oracle.count('refused as it should')
    return null
  }
  client.oracle.violate('creation refused', `${plan.key}: ${answer.status} ${answer.body}`)
  throw new GivenUp()
}

/** Brings its bytes to the end, by HEAD after whatever goes wrong. @throws RunOver, GivenUp */
export async function bringByTus(client: Client, sent: Sent, extent: Extent, doom?: Doom): Promise<void> {
  const sizeBytes = extent.toBytes - extent.fromBytes
  let offset: number | null = null
  let isFirst = true
  for (let tried = 0; ; tried += 1) {
    if (offset === null) {
      await doom?.settled()
      if (sent.deletion !== 'none') return
      const told = await askOffset(client, sent, sizeBytes)
      if (told === null || (told.offset === sizeBytes && told.isLengthKnown)) return
      offset = told.offset
    }
    const answer = await patch(client, sent, {
      offset,
      extent,
      isDamaged: isFirst && sent.plan.checksBodies,
      doom,
    })
    isFirst = false
    const told = answer?.status === 204 ? offsetIn(answer) : null
    if (told !== null) {
      client.oracle.offsetTold(sent, told, { leastBytes: offset, mostBytes: sizeBytes })
      if (told === sizeBytes) return
      offset = told
      continue
    }
    if (answer !== null && !isPassing(answer) && !isAboutOffset(answer, sent)) {
      if (codeOf(answer) === 'HASH_MISMATCH' && sent.plan.declares === 'wrong') return
      if (answer.status !== 410) refuse(client, sent, 'PATCH', answer)
    }
    offset = null
    await client.connection.pause(Math.min(tried, 2))
  }
}

/** Asks again, what comes of it. */
function isAboutOffset(answer: Answer, { plan }: Sent): boolean {
  return answer.status === 409 || (answer.status === 460 && plan.checksBodies)
}

interface Patch {
  readonly offset: number
  readonly extent: Extent
  /** Its checksum is another body's. */
  readonly isDamaged: boolean
  readonly doom: Doom | undefined
}

async function patch(
  client: Client,
  sent: Sent,
  { offset, extent, isDamaged, doom }: Patch,
): Promise<Answer | null> {
  const { plan } = sent
  const sizeBytes = extent.toBytes - extent.fromBytes
  const endBytes = Math.min(offset + plan.chunkBytes, sizeBytes)
  const [from, to] = [extent.fromBytes + offset, extent.fromBytes + endBytes]
  // So few that they may be made twice.
  const checksum = plan.checksBodies ? { 'upload-checksum': checksumOf(plan.key, from, to, isDamaged) } : {}
  const isLast = endBytes === sizeBytes
  const answer = await client.connection.ask({
    method: 'PATCH',
    path: `/uploads/${sent.id}`,
    headers: {
      ...BYTES,
      'upload-offset': String(offset),
      'content-length': String(to - from),
      ...(plan.isDeferred && isLast ? { 'upload-length': String(sizeBytes) } : {}),
      ...checksum,
    },
    body:
      to === from
        ? Buffer.alloc(0)
        : bodyOf(plan, [from, to], { connection: client.connection, ...(doom ? { doom } : {}) }),
  })
  if (answer?.status === 204 && isDamaged && to > from) {
    client.oracle.violate(
      'damaged body taken',
      `upload ${sent.id} (${plan.key}): Upload-Checksum was of other bytes.`,
    )
  }
  if (answer?.status === 460) client.oracle.count('460 as it should')
  return answer
}

function checksumOf(key: string, fromBytes: number, toBytes: number, isDamaged: boolean): string {
  const hash = createHash('sha1').update(contentOf(key, fromBytes, toBytes - fromBytes))
  if (isDamaged) hash.update('damaged')
  return `sha1 ${hash.digest('base64')}`
}

/** @returns null when it has ended, as planned @throws RunOver, GivenUp */
async function askOffset(
  client: Client,
  sent: Sent,
  sizeBytes: number,
): Promise<{ offset: number; isLengthKnown: boolean } | null> {
  const leastBytes = sent.acknowledgedBytes
  const answer = await client.connection.persist(() => ({
    method: 'HEAD',
    path: `/uploads/${sent.id}`,
    headers: TUS,
  }))
  const offset = offsetIn(answer)
  if (answer.status === 200 && offset !== null) {
    client.oracle.offsetTold(sent, offset, { leastBytes, mostBytes: sizeBytes })
    return { offset, isLengthKnown: headerOf(answer, 'upload-length') !== undefined }
  }
  if (answer.status !== 410) refuse(client, sent, 'HEAD', answer)
  judgeEnd(client, sent, await reportFor(client, sent))
  return null
}

export async function sendByTus(
  client: Client,
  plan: FilePlan,
  doomOf: (sent: Sent) => Doom,
): Promise<Sent | null> {
  const sent = await createByTus(client, plan)
  if (sent === null) return null
  const doom = doomOf(sent)
  await bringByTus(client, sent, { fromBytes: 0, toBytes: plan.sizeBytes }, doom)
  await doom.settled()
  await awaitOutcome(client, sent)
  return sent
}

export function metadataOf(plan: FilePlan): Record<string, string> {
  return {
    filename: `${plan.key}.bin`,
    key: plan.key,
    ...(plan.label === null ? {} : { label: plan.label }),
    ...declaredOf(plan),
  }
}

/** The digest that the plan declares, right or wrong. */
export function declaredOf(plan: FilePlan): { sha256?: string } {
  if (plan.declares === 'nothing') return {}
  const key = plan.declares === 'right' ? plan.key : `not ${plan.key}`
  return {
    sha256: digestsOfContent(key, plan.declares === 'right' ? plan.sizeBytes : plan.sizeBytes + 1).sha256,
  }
}
