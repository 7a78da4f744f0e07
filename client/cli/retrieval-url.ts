import type { Report } from '../api/types.js'
import { formatProgress } from '../format.js'
import { CommandFailed } from './exit-code.js'
import { nameOf } from './report-lines.js'
import type { Session } from './session.js'
import { findUpload, type Scope } from './targets.js'

/** @throws CommandFailed when the upload isn't ready */
export async function urlOf(
  { antipasto, signal }: Session,
  word: string,
  { scope, renew }: { scope: Scope; renew: boolean },
): Promise<{ report: Report; url: string }> {
  const report = await findUpload(antipasto, word, scope, signal)
  if (report.state !== 'ready') {
    const state =
      report.state === 'receiving' ? `receiving, ${formatProgress(report.offset, report.size)}` : report.state
    throw new CommandFailed(`${nameOf(report)} has no URL: it is ${state}.`)
  }
  const url = renew
    ? (await antipasto.uploads.renewUrl(report.id, signal)).retrieval_url
    : report.retrieval_url
  if (url === null)
    throw new CommandFailed(
      `The server tells no URL of ${nameOf(report)}: another owner shared it to be read only.`,
    )
  return { report, url }
}
