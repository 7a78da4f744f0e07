// How a file of a package is doing: what this tab sends is known better here than at the server. Pure.

import type { Report } from '../../api/types.js'
import type { LocalUpload, Presence } from '../send/local-uploads.js'

export interface FileStanding {
  /** Of `words.state`. */
  word: Report['state'] | Presence
  tone: 'good' | 'busy' | 'wait' | 'bad' | 'plain'
  /** How much of it the server has; null when there is nothing to show of it. */
  progress: { doneBytes: number; sizeBytes: number | null } | null
}

const TONES: Record<FileStanding['word'], FileStanding['tone']> = {
  ready: 'good',
  sending: 'busy',
  finalizing: 'busy',
  waiting: 'wait',
  paused: 'wait',
  receiving: 'wait',
  stopped: 'bad',
  failed: 'bad',
  canceled: 'plain',
  expired: 'plain',
  deleted: 'plain',
}

/** @param local what this tab has of it, if it sends it */
export function fileStanding(
  { state, size, offset }: Pick<Report, 'state' | 'size' | 'offset'>,
  local: Pick<LocalUpload, 'presence' | 'acknowledgedBytes' | 'sizeBytes'> | undefined,
): FileStanding {
  if (state !== 'receiving') return { word: state, tone: TONES[state], progress: null }
  if (local === undefined) {
    return { word: state, tone: TONES[state], progress: { doneBytes: offset, sizeBytes: size } }
  }
  const { presence, acknowledgedBytes: doneBytes, sizeBytes } = local
  return { word: presence, tone: TONES[presence], progress: { doneBytes, sizeBytes } }
}
