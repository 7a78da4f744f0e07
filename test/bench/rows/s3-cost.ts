// What an observed run of uploads cost on S3, as samples. Pure.

import type { Sample, StoreName } from '../sample.js'
import type { ServerName } from '../servers.js'
import type { SinkFigures } from '../sink/client.js'
import type { Operation } from '../sink/operation.js'
import type { Observation } from './row.js'

/** What an upload asks for. Deletions come late, from earlier rounds, and listings from the sweep. */
const UPLOAD_OPERATIONS: readonly Operation[] = [
  'CreateMultipartUpload',
  'UploadPart',
  'ListParts',
  'CompleteMultipartUpload',
  'PutObject',
  'GetObject',
  'HeadObject',
]

/** The temporary files and, on the sink, the requests; none on a local store. */
export function s3Cost(
  run: {
    readonly store: StoreName
    readonly row: string
    readonly contender: ServerName
    readonly round: number
    readonly uploadCount: number
    /** Parts are as many as the bytes ask for: what else is asked is what counts, except in files too small for parts. */
    readonly countsParts: boolean
  },
  { tempMegabytes, figures }: Observation<unknown>,
): Sample[] {
  const { store, row, contender, round } = run
  if (store === 'local') return []
  const temp: Sample = { metric: `temp.${row}`, contender, round, value: tempMegabytes }
  if (figures === null) return [temp]
  const requestCount = requestsOf(figures, run.countsParts) / run.uploadCount
  return [temp, { metric: `requests.${row}`, contender, round, value: requestCount }]
}

function requestsOf({ requestCounts }: SinkFigures, countsParts: boolean): number {
  return UPLOAD_OPERATIONS.filter((operation) => countsParts || operation !== 'UploadPart')
    .map((operation) => requestCounts[operation])
    .reduce((sum, count) => sum + count, 0)
}
