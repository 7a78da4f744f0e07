// How an upload ends, as its client learns it: from its report, which is compared with what was sent.

import type { Report } from '../../../server/uploads/report.js'
import { nameOf, type Sent } from '../oracle.js'
import { type Client, GivenUp } from './client.js'
import { type Answer, jsonOf } from './connection.js'
import { digestsOfContent } from './content.js'

/** What the finished upload's report must say of the file that was planned. */
export function judgeReady(client: Pick<Client, 'oracle'>, sent: Sent, report: Report): void {
  const { oracle } = client
  const { plan } = sent
  const digests = digestsOfContent(plan.key, plan.sizeBytes)
  const isRight =
    report.size === plan.sizeBytes &&
    report.offset === plan.sizeBytes &&
    report.checksums?.md5 === digests.md5 &&
    report.checksums.sha1 === digests.sha1 &&
    report.checksums.sha256 === digests.sha256
  if (!isRight) oracle.violate('wrong report', `${nameOf(sent)}: ${JSON.stringify(report)}`)
  if (plan.declares === 'wrong' && !sent.isPartial) {
    oracle.violate(
      'ready with wrong digests',
      `${nameOf(sent)} is ready, though its declared digest is another.`,
    )
  }
  if (!sent.isReadySeen) oracle.count('ready')
  sent.isReadySeen = true
  if (report.retrieval_url !== null) sent.retrievalPath = new URL(report.retrieval_url).pathname
}

/** A refusal that ends it, by the report: of what was declared wrongly, or was deleted. @throws GivenUp for any other */
export function judgeEnd(client: Pick<Client, 'oracle'>, sent: Sent, report: Report): void {
  const { oracle } = client
  const { state, error } = report
  if (state === 'failed' && error?.code === 'HASH_MISMATCH' && sent.plan.declares === 'wrong') {
    if (sent.failure === null) oracle.count('failed as it should')
    sent.failure = error.code
    return
  }
  if ((state === 'canceled' || state === 'deleted') && sent.deletion !== 'none') return
  oracle.violate('ended by itself', `${nameOf(sent)} is ${state}: ${JSON.stringify(error)}`)
  throw new GivenUp()
}

/** The report, whatever its state. @throws RunOver; GivenUp when there is none any more */
export async function reportFor(client: Client, sent: Sent): Promise<Report> {
  const leastBytes = sent.acknowledgedBytes
  const answer = await client.connection.persist(() => ({ method: 'GET', path: `/uploads/${sent.id}` }))
  if (answer.status !== 200) refuse(client, sent, 'GET of its report', answer)
  const report = jsonOf<Report>(answer)
  if (report.state === 'receiving' || report.state === 'finalizing' || report.state === 'ready') {
    client.oracle.offsetTold(sent, report.offset, { leastBytes, mostBytes: sent.plan.sizeBytes })
  }
  return report
}

/** Waits until it is ready or has ended. @returns the last report @throws RunOver, GivenUp */
export async function awaitOutcome(client: Client, sent: Sent): Promise<Report> {
  for (let tried = 0; ; tried += 1) {
    const report = await reportFor(client, sent)
    if (report.state === 'ready') {
      judgeReady(client, sent, report)
      return report
    }
    if (report.state !== 'receiving' && report.state !== 'finalizing') {
      judgeEnd(client, sent, report)
      return report
    }
    await client.connection.pause(tried)
  }
}

/** An answer that a good client doesn't get. @throws GivenUp */
export function refuse(client: Pick<Client, 'oracle'>, sent: Sent, what: string, answer: Answer): never {
  client.oracle.violate(
    'unexpected refusal',
    `${nameOf(sent)}: ${what} answered ${answer.status} ${answer.body}`,
  )
  throw new GivenUp()
}
