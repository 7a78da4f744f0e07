// Each upload's record against what its client was told. Pure.

import { digestsOfContent } from '../load/content.js'
import type { FilePlan } from '../load/file-plan.js'
import { nameOf, type Sent } from '../oracle.js'
import type { UploadRow } from './records.js'

export type Violate = (kind: string, text: string) => void

export interface Expected {
  readonly sent: readonly Sent[]
  /** What was planned under a key, whether or not its creation was answered. */
  planOf(key: string): FilePlan | undefined
}

/** Every row must be what its client was told, and every client have its row. */
export function judgeUploads(rows: readonly UploadRow[], expected: Expected, violate: Violate): void {
  const byId = new Map(rows.map((row) => [row.id, row]))
  const sentIds = new Set(expected.sent.map(({ id }) => id))
  for (const sent of expected.sent) {
    const row = byId.get(sent.id)
    if (row === undefined) violate('upload lost', `${nameOf(sent)} was acknowledged, and has no record.`)
    else if (sent.isPartial) judgePart(row, sent, violate)
    else judgeSent(row, sent, violate)
  }
  for (const row of rows) {
    if (row.isHeld)
      violate('lease left', `upload ${row.id} (${row.state}) is held by a request that nobody makes.`)
    const plan = row.key === null ? undefined : expected.planOf(row.key)
    if (plan === undefined)
      violate('upload of nobody', `upload ${row.id} has the key ${row.key}, which nobody sent.`)
    else if (!sentIds.has(row.id)) judgeUnanswered(row, plan, violate)
    if (plan !== undefined && row.state === 'ready' && row.concat !== 'partial')
      judgeDigests(row, plan, violate)
  }
}

function judgeSent(row: UploadRow, sent: Sent, violate: Violate): void {
  const state = `${nameOf(sent)} is ${row.state} (${row.errorCode}: ${row.errorDetail}), offset ${row.offsetBytes}`
  const hasEnded = row.state === 'canceled' || row.state === 'deleted'
  switch (sent.deletion) {
    case 'asked':
      return
    case 'ended':
    case 'restorable':
      if (!hasEnded && row.state !== 'failed')
        violate('deletion undone', `${state}, though its deletion was acknowledged.`)
      if (row.restoreState !== null) violate('not purged', `${state}, and is still kept to be restored.`)
      return
    case 'none':
  }
  if (!sent.isDone) return // Its client was broken off, or gave up, which is a violation already.
  if (sent.plan.declares === 'wrong') {
    const isRefused = row.state === 'failed' && row.errorCode === 'HASH_MISMATCH'
    if (!isRefused) violate('wrong digests taken', `${state}, though its declared digest is another.`)
  } else if (row.state !== 'ready')
    violate('acknowledged upload lost', `${state}, though it was acknowledged as ready.`)
}

/** The way of a file: it ends with what was made of it. */
function judgePart(row: UploadRow, sent: Sent, violate: Violate): void {
  if (sent.isDone && row.state !== 'deleted') {
    violate('part left', `${nameOf(sent)}, a part of a concatenation that is ready, is ${row.state}.`)
  }
}

/** Nobody heard of it: it may have come to its end or not, but not to a wrong one. */
function judgeUnanswered(row: UploadRow, plan: FilePlan, violate: Violate): void {
  const reason = `upload ${row.id} (${plan.key}, ${plan.way}), whose creation was not answered, is ${row.state}: ${row.errorCode}`
  const isReasonable =
    row.state !== 'failed' || (row.errorCode === 'HASH_MISMATCH' && plan.declares === 'wrong')
  if (!isReasonable) violate('failed without reason', reason)
  if (row.state === 'ready' && plan.declares === 'wrong') violate('wrong digests taken', reason)
  // What nobody goes on with has been let expire before.
  if (row.state === 'receiving' || row.state === 'finalizing') violate('never ended', reason)
}

function judgeDigests(row: UploadRow, plan: FilePlan, violate: Violate): void {
  const digests = digestsOfContent(plan.key, plan.sizeBytes)
  const isRight =
    row.sizeBytes === plan.sizeBytes &&
    row.md5 === digests.md5 &&
    row.sha1 === digests.sha1 &&
    row.sha256 === digests.sha256
  if (!isRight)
    violate('wrong digests', `upload ${row.id} (${plan.key}): ${JSON.stringify({ row, digests })}`)
}
