// `rm`: asks once for all, then deletes what can be deleted.

import type { Package, Report } from '../api/types.js'
import { formatBytes } from '../format.js'
import { canAsk, confirm } from './ask.js'
import { eachOf } from './each.js'
import { CommandFailed, EXIT, type ExitCode } from './exit-code.js'
import { plainText } from './plain-text.js'
import { nameOf, packageName, sizeCell, stateCell } from './report-lines.js'
import type { Session } from './session.js'
import { findEither, findPackage } from './targets.js'

export interface RmOptions {
  package?: string
  label?: string
  yes?: boolean
}

type Found = { report: Report } | { package: Package }

const MOST_NAMED = 20

export async function removeUploads(
  session: Session,
  words: readonly string[],
  options: RmOptions,
): Promise<ExitCode> {
  const { antipasto, output, signal } = session
  mustBeSure(options)
  const found = new Map<string, Found>()
  const missing = new Map<string, unknown>()
  for (const word of words) {
    try {
      found.set(word, await findEither(antipasto, word, options, signal))
    } catch (error) {
      if (words.length === 1) throw error
      missing.set(word, error)
    }
  }
  if (options.yes !== true && found.size > 0) await askFirst([...found.values()].map(described), signal)
  return eachOf(session, words, async (word) => {
    const target = found.get(word)
    if (target === undefined) throw missing.get(word)
    const wasThere =
      'report' in target
        ? await antipasto.uploads.remove(target.report.id, signal)
        : await antipasto.packages.remove(target.package.id, signal)
    const { id } = 'report' in target ? target.report : target.package
    output.result({ id, name: nameIn(target), deleted: wasThere }, removedLine(nameIn(target), wasThere))
  })
}

export async function removePackage(session: Session, options: RmOptions): Promise<ExitCode> {
  const { antipasto, output, signal } = session
  if (options.package === undefined) {
    throw new CommandFailed('What shall be deleted? Name uploads, or a package by --package.', {
      exitCode: EXIT.usage,
    })
  }
  mustBeSure(options)
  const target = await findPackage(antipasto, options.package, signal)
  if (options.yes !== true) await askFirst([described({ package: target })], signal)
  const wasThere = await antipasto.packages.remove(target.id, signal)
  output.result(
    { id: target.id, name: target.name, deleted: wasThere },
    removedLine(packageName(target), wasThere),
  )
  return EXIT.ok
}

/** Before anything is looked up. */
function mustBeSure({ yes }: RmOptions): void {
  if (yes === true || canAsk()) return
  throw new CommandFailed('Nothing was deleted: there is no terminal to ask at.', {
    exitCode: EXIT.usage,
    hint: 'Say --yes when you are sure.',
  })
}

async function askFirst(names: readonly string[], signal: AbortSignal): Promise<void> {
  for (const name of names.slice(0, MOST_NAMED)) process.stderr.write(`  ${plainText(name)}\n`)
  if (names.length > MOST_NAMED) process.stderr.write(`  and ${names.length - MOST_NAMED} more\n`)
  const what = names.length === 1 ? 'it' : `all ${names.length}`
  if (!(await confirm(`Delete ${what} for good?`, signal))) {
    throw new CommandFailed('Nothing was deleted.')
  }
}

function described(target: Found): string {
  if ('report' in target)
    return `${nameOf(target.report)} (${sizeCell(target.report)}, ${stateCell(target.report)})`
  const { counts } = target.package
  return `package ${packageName(target.package)} with ${counts.total === 1 ? '1 file' : `${counts.total} files`} (${formatBytes(counts.bytes)})`
}

function nameIn(target: Found): string {
  return 'report' in target ? nameOf(target.report) : packageName(target.package)
}

function removedLine(name: string, wasThere: boolean): string {
  return wasThere ? `Deleted ${plainText(name)}.` : `${plainText(name)} was gone already.`
}
