// The log against the records, and what its readers were told against the log. Pure.

import type { EventReading } from '../load/event-reader.js'
import type { EventRow, UploadRow } from './records.js'
import type { Violate } from './uploads.js'

/** A letter for each type, so that an upload's life is a word; those that may come at any time have none. */
const LETTERS: Readonly<Record<string, string>> = {
  'upload.created.v1': 'c',
  'upload.finalizing.v1': 'f',
  'upload.ready.v1': 'r',
  'upload.failed.v1': 'x',
  'upload.canceled.v1': 'k',
  'upload.deleted.v1': 'd',
  'upload.expired.v1': 'e',
  'upload.restored.v1': 'u',
}

/** Begun once; canceled and restored any time while it comes; ready once at most, then deleted and restored; ended once, but that a failed one can be deleted, too. */
const LIFE = /^c(ku)*(f?(r(du)*(d|e)?|xd?|k|d)?|e)?$/

/** What the last letter says of the state; after `u` it is what it was. */
const STATE_AFTER: Readonly<Record<string, readonly string[]>> = {
  c: ['receiving'],
  f: ['finalizing'],
  r: ['ready'],
  x: ['failed'],
  k: ['canceled'],
  d: ['deleted'],
  e: ['expired'],
  u: ['receiving', 'ready'],
}

/** Every upload's events tell its life, in order, up to the state that it is in. */
export function judgeEvents(
  events: readonly EventRow[],
  uploads: readonly UploadRow[],
  violate: Violate,
): void {
  const words = new Map<string, string>()
  let last = 0
  for (const { sequence, type, uploadId } of events) {
    if (sequence === null)
      violate('event without a place', `${type} of ${uploadId} has no place in the order.`)
    else if (sequence <= last) violate('events out of order', `${sequence} comes after ${last}.`)
    else last = sequence
    if (uploadId !== null) words.set(uploadId, (words.get(uploadId) ?? '') + (LETTERS[type] ?? ''))
  }
  for (const { id, state, concat } of uploads) {
    const word = words.get(id) ?? ''
    if (concat === 'partial') {
      if (word !== '') violate('event of a part', `upload ${id} is a part, and has the events ${word}.`)
    } else if (!LIFE.test(word)) violate('events make no sense', `upload ${id} (${state}): ${word}`)
    else if (!STATE_AFTER[word.at(-1) ?? '']?.includes(state)) {
      violate('events and state differ', `upload ${id} is ${state}, its events are ${word}.`)
    }
  }
}

/** Whoever read along from the first event was told each of its owner's, once, in order. */
export function judgeReading(
  events: readonly EventRow[],
  owner: string,
  { told, way }: Pick<EventReading, 'told' | 'way'>,
  violate: Violate,
): void {
  const own = events.filter((event) => event.owner === owner && event.sequence !== null)
  const toldSequences = new Set(told.map(({ sequence }) => sequence))
  const ownSequences = new Set(own.map(({ sequence }) => sequence))
  const missed = own.filter(({ sequence }) => !toldSequences.has(sequence ?? 0))
  const invented = told.filter(({ sequence }) => !ownSequences.has(sequence))
  for (const { sequence, type, uploadId } of missed.slice(0, 5)) {
    violate('event missed', `by ${way}: ${sequence} ${type} of ${uploadId}; ${missed.length} in all`)
  }
  for (const { sequence, type } of invented.slice(0, 5))
    violate('event invented', `by ${way}: ${sequence} ${type}`)
}
