// Who somebody is to the server, for people. Pure.

import type { Me } from '../api/types.js'
import { formatBytes, formatDuration, formatMoment } from '../format.js'
import { factLines } from './report-lines.js'
import type { TokenSource } from './settings.js'

const SOURCES: Record<TokenSource, string> = {
  flag: '--token',
  environment: 'ANTIPASTO_TOKEN',
  'token file': 'the file of ANTIPASTO_TOKEN_FILE',
  'config file': 'the config file',
}

export function meLines(me: Me, where: { serverUrl: string; tokenSource: TokenSource | null }): string[] {
  const { usage, limits } = me
  const rate =
    limits.rate && `${limits.rate.requests} requests in ${formatDuration(limits.rate.window_seconds)}`
  return factLines(me.owner, [
    ['server', where.serverUrl],
    ['groups', listed(me.groups)],
    ['aliases', listed(me.aliases)],
    ['may', listed(me.scopes) ?? 'nothing'],
    ['credential', where.tokenSource === null ? 'none' : `from ${SOURCES[where.tokenSource]}`],
    ['ends', me.expires_at === null ? 'never' : formatMoment(new Date(me.expires_at), 'en-GB')],
    ['bytes', used(formatBytes(usage.bytes), limits.bytes === null ? null : formatBytes(limits.bytes))],
    ['files', used(String(usage.files), limits.files?.toLocaleString('en') ?? null)],
    ['unfinished', used(String(usage.open_uploads), limits.open_uploads?.toLocaleString('en') ?? null)],
    ['largest file', formatBytes(limits.file_bytes)],
    ['rate', rate],
  ])
}

function used(amount: string, limit: string | null): string {
  return limit === null ? `${amount} (no limit)` : `${amount} of ${limit}`
}

function listed(words: readonly string[]): string | null {
  return words.length === 0 ? null : words.join(', ')
}
