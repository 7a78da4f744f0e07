// `extend`: what ends when, and how much later it shall.

import { formatMoment } from '../format.js'
import { eachOf } from './each.js'
import { CommandFailed, EXIT, type ExitCode } from './exit-code.js'
import { plainText } from './plain-text.js'
import { nameOf, packageName } from './report-lines.js'
import type { Session } from './session.js'
import { findEither, type Scope } from './targets.js'

export interface ExtendOptions extends Scope {
  until?: Date
  /** Seconds. */
  by?: number
  reason?: string
}

const DEFAULT_REASON = 'Extended by `antipasto extend`.'

export async function extendTargets(
  session: Session,
  words: readonly string[],
  options: ExtendOptions,
): Promise<ExitCode> {
  const { antipasto, output, signal } = session
  if ((options.until === undefined) === (options.by === undefined)) {
    throw new CommandFailed('Until when? Give either --until or --by.', {
      exitCode: EXIT.usage,
      hint: 'Like --until 2027-06-30 or --by 30d.',
    })
  }
  return eachOf(session, words, async (word) => {
    const found = await findEither(antipasto, word, options, signal)
    if ('report' in found) {
      const name = nameOf(found.report)
      const expires_at = newEnd(found.report.expires_at, options, name).toISOString()
      const report = await antipasto.uploads.change(found.report.id, { expires_at }, signal)
      output.result(report, endLine(name, report.expires_at ?? expires_at))
    } else {
      const name = packageName(found.package)
      const new_expires_at = newEnd(found.package.expires_at, options, name).toISOString()
      const reason = options.reason ?? DEFAULT_REASON
      const extension = await antipasto.packages.extend(found.package.id, { new_expires_at, reason }, signal)
      output.result(extension, endLine(name, extension.new_expires_at))
    }
  })
}

/** Pure. @throws CommandFailed for what never ends */
export function newEnd(
  expiresAt: string | null,
  { until, by = 0 }: Pick<ExtendOptions, 'until' | 'by'>,
  name: string,
): Date {
  if (expiresAt === null) throw new CommandFailed(`${name} never ends: there is nothing to extend.`)
  return until ?? new Date(Date.parse(expiresAt) + by * 1000)
}

function endLine(name: string, endsAt: string): string {
  return `${plainText(name)} is kept until ${formatMoment(new Date(endsAt), 'en-GB')}.`
}
