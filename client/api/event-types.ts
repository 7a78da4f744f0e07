// The types of events, for who offers a choice of them.

import type { Event } from './types.js'

/** In the order in which they happen. One that the server has and this lacks doesn't compile. */
const TYPES: Readonly<Record<Event['type'], true>> = {
  'upload.created.v1': true,
  'upload.finalizing.v1': true,
  'upload.ready.v1': true,
  'upload.failed.v1': true,
  'upload.canceled.v1': true,
  'upload.extended.v1': true,
  'upload.expiring.v1': true,
  'upload.expired.v1': true,
  'upload.deleted.v1': true,
  'upload.restored.v1': true,
  'package.created.v1': true,
  'package.finalized.v1': true,
  'package.retention_extended.v1': true,
  'package.shared.v1': true,
  'package.unshared.v1': true,
  'package.expired.v1': true,
  'package.deleted.v1': true,
  'api_key.created.v1': true,
  'api_key.revoked.v1': true,
}

export const EVENT_TYPES = Object.keys(TYPES) as Event['type'][] // of a record that has no other keys
