// A session in HTTP's own words: opened with JSON, PATCH with Content-Range, completed by a call.

import type { Report } from '../../../server/uploads/report.js'
import type { Sent } from '../oracle.js'
import { bodyOf } from './body.js'
import { declaredOf } from './by-tus.js'
import { type Client, GivenUp } from './client.js'
import { codeOf, isPassing, jsonOf, offsetIn } from './connection.js'
import type { Doom } from './doom.js'
import type { FilePlan } from './file-plan.js'
import { awaitOutcome, judgeEnd, refuse, reportFor } from './outcome.js'

const JSON_BODY = { 'content-type': 'application/json' }

/** @throws RunOver, GivenUp */
export async function sendByRanges(
  client: Client,
  plan: FilePlan,
  doomOf: (sent: Sent) => Doom,
): Promise<Sent> {
  const sent = await open(client, plan)
  const doom = doomOf(sent)
  for (let tried = 0; ; tried += 1) {
    await bring(client, sent, doom)
    await doom.settled()
    // A deletion that was undone behind its last byte changed nothing.
    if (sent.deletion !== 'none') break
    if (await complete(client, sent)) break
    await client.connection.pause(Math.min(tried, 3))
  }
  await awaitOutcome(client, sent)
  return sent
}

async function open(client: Client, plan: FilePlan): Promise<Sent> {
  const session = {
    filename: `${plan.key}.bin`,
    key: plan.key,
    ...(plan.label === null ? {} : { label: plan.label }),
    ...(plan.isDeferred ? {} : { size: plan.sizeBytes }),
    ...(plan.declares === 'nothing' ? {} : { checksums: declaredOf(plan) }),
  }
  const answer = await client.connection.persist(() => ({
    method: 'POST',
    path: '/uploads',
    headers: { ...JSON_BODY, ...(plan.isRepeatable ? { 'idempotency-key': plan.key } : {}) },
    body: Buffer.from(JSON.stringify(session)),
  }))
  if (answer.status === 201 || answer.status === 200) {
    return client.oracle.created(client.place, jsonOf<Report>(answer).id, plan)
  }
  client.oracle.violate('creation refused', `${plan.key}: ${answer.status} ${answer.body}`)
  throw new GivenUp()
}

/** Until every byte is acknowledged, or it has ended as planned. @throws RunOver, GivenUp */
async function bring(client: Client, sent: Sent, doom: Doom): Promise<void> {
  const { plan } = sent
  let offset: number | null = null
  for (let tried = 0; ; tried += 1) {
    if (offset === null) {
      await doom.settled()
      if (sent.deletion !== 'none') return
      const report = await reportFor(client, sent)
      if (report.state !== 'receiving') {
        if (report.state !== 'ready' && report.state !== 'finalizing') judgeEnd(client, sent, report)
        return
      }
      offset = report.offset
    }
    if (offset === plan.sizeBytes) return
    const next = await patch(client, sent, offset, doom)
    if (next === null) await client.connection.pause(Math.min(tried, 2))
    offset = next
  }
}

/** @returns the offset that was answered; null: it has to be asked for @throws RunOver, GivenUp */
async function patch(client: Client, sent: Sent, offset: number, doom: Doom): Promise<number | null> {
  const { plan } = sent
  const endBytes = Math.min(offset + plan.chunkBytes, plan.sizeBytes)
  const size = plan.isDeferred && endBytes < plan.sizeBytes ? '*' : plan.sizeBytes
  const answer = await client.connection.ask({
    method: 'PATCH',
    path: `/uploads/${sent.id}`,
    headers: {
      'content-type': 'application/octet-stream',
      'content-range': `bytes ${offset}-${endBytes - 1}/${size}`,
      'content-length': String(endBytes - offset),
    },
    body: bodyOf(plan, [offset, endBytes], { connection: client.connection, doom }),
  })
  if (answer === null || isPassing(answer)) return null
  const told = offsetIn(answer)
  if (answer.status === 200 && told !== null) {
    client.oracle.offsetTold(sent, told, { leastBytes: offset, mostBytes: plan.sizeBytes })
    return told
  }
  // 409: at another offset, or whole already. 410: deleted meanwhile. The report says.
  if (answer.status !== 409 && answer.status !== 410) refuse(client, sent, 'PATCH with Content-Range', answer)
  return null
}

/** @returns false when bytes are missing, or it is being deleted: look again @throws RunOver, GivenUp */
async function complete(client: Client, sent: Sent): Promise<boolean> {
  const { plan } = sent
  // Of a size that nobody told, what has come is all.
  const answer = await client.connection.persist(() => ({
    method: 'POST',
    path: `/uploads/${sent.id}/complete`,
    headers: JSON_BODY,
    body: Buffer.from('{}'),
  }))
  if (answer.status === 200) return true
  if (codeOf(answer) === 'HASH_MISMATCH' && plan.declares === 'wrong') return true
  if (answer.status === 410) return true // Its report says why.
  if (codeOf(answer) !== 'OFFSET_MISMATCH' && codeOf(answer) !== 'CONFLICT') {
    refuse(client, sent, 'completion', answer)
  }
  return false
}
