// `events`: one line an event.

import type { Event } from '../api/types.js'
import { formatBytes } from '../format.js'
import type { Session } from './session.js'

export interface EventsOptions {
  follow?: boolean
  since?: number
  type?: string[]
}

export async function tellEvents(
  { antipasto, output, signal }: Session,
  options: EventsOptions,
): Promise<void> {
  const { since = 0, follow = false, type: types = [] } = options
  const wanted = new Set(types)
  for await (const event of antipasto.events({ since, follow, signal })) {
    if (wanted.size > 0 && !wanted.has(shortType(event.type))) continue
    if (output.isJson) output.result(event)
    // One at a time: who follows wants it now.
    else output.table([eventCells(event)], { widths: WIDTHS, right: [0], expendable: [0, 1] })
  }
}

/** A sequence of some digits, a time to the second, all types but the longest. */
const WIDTHS = [6, 20, 18]

/** "12", "2026-12-04 14:05:03Z", "upload.ready", "temperature.csv (57.2 MB)". Pure. */
function eventCells(event: Event): string[] {
  const at = event.at.replace('T', ' ').replace(/\.\d+/, '')
  return [String(event.sequence), at, shortType(event.type), subjectOf(event)]
}

function shortType(type: string): string {
  return type.replace(/\.v1$/, '')
}

function subjectOf({ data, upload_id }: Event): string {
  if ('filename' in data) {
    const name = data.relative_path ?? data.filename ?? upload_id ?? ''
    const facts = [data.size === null ? null : formatBytes(data.size), data.error].filter(
      (fact) => fact !== null,
    )
    return facts.length === 0 ? name : `${name} (${facts.join(', ')})`
  }
  if ('key_id' in data) return `${data.name} (${data.prefix}…)`
  return data.label === null || data.label === data.name ? data.name : `${data.name} [${data.label}]`
}
