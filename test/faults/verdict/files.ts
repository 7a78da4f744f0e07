// Every file that is ready, got by its URL as PASTA does, and compared byte by byte.

import { request } from 'undici'
import { ContentComparison } from '../load/content.js'
import type { FilePlan } from '../load/file-plan.js'
import type { UploadRow } from './records.js'
import type { Violate } from './uploads.js'

const AT_ONCE = 4

/** @param url where the place is reached @returns how many files and bytes were compared */
export async function judgeFiles(
  url: string,
  uploads: readonly UploadRow[],
  planOf: (key: string) => FilePlan | undefined,
  violate: Violate,
): Promise<{ files: number; bytes: number }> {
  const ready = uploads.filter(({ state, concat }) => state === 'ready' && concat !== 'partial')
  const queue = [...ready]
  let bytes = 0
  const take = async () => {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const plan = planOf(next.key ?? '')
      if (plan !== undefined) bytes += await judgeFile(url, next, plan, violate)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, take))
  return { files: ready.length, bytes }
}

async function judgeFile(url: string, row: UploadRow, plan: FilePlan, violate: Violate): Promise<number> {
  const path = `/r/${row.retrievalToken}/${encodeURIComponent(row.filename ?? row.id)}`
  const name = `upload ${row.id} (${plan.key}, ${plan.way}, ${plan.sizeBytes} bytes)`
  const comparison = new ContentComparison(plan.key, 0)
  try {
    const answer = await request(url + path, { headersTimeout: 30_000, bodyTimeout: 30_000 })
    if (answer.statusCode !== 200) {
      violate('ready file not answered', `${name}: ${answer.statusCode} ${await answer.body.text()}`)
      return 0
    }
    for await (const piece of answer.body) comparison.add(piece)
  } catch (error) {
    violate('ready file not answered', `${name}: ${String(error)} at byte ${comparison.offset}`)
  }
  if (comparison.firstWrong !== null)
    violate('wrong bytes', `${name}: byte ${comparison.firstWrong} is another.`)
  else if (comparison.offset !== plan.sizeBytes)
    violate('wrong size', `${name}: ${comparison.offset} bytes came.`)
  return comparison.offset
}
