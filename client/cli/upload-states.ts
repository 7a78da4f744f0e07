// Every state that an upload may be in.

import type { UploadState } from '../api/types.js'

export const UPLOAD_STATES: readonly UploadState[] = [
  'receiving',
  'finalizing',
  'ready',
  'failed',
  'canceled',
  'expired',
  'deleted',
]
