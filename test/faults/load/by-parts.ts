// tus's concatenation: the file comes as several uploads, of which one is made.

import { encodeMetadata } from '../../end-to-end/raw-tus.js'
import type { Sent } from '../oracle.js'
import { bringByTus, metadataOf } from './by-tus.js'
import { type Client, GivenUp } from './client.js'
import { locatedId } from './connection.js'
import type { FilePlan } from './file-plan.js'
import { awaitOutcome } from './outcome.js'

const PARTS = 3

/** @throws RunOver, GivenUp */
export async function sendByParts(client: Client, plan: FilePlan): Promise<Sent> {
  const partBytes = Math.ceil(plan.sizeBytes / PARTS)
  const ids: string[] = []
  for (let fromBytes = 0; fromBytes < plan.sizeBytes; fromBytes += partBytes) {
    const toBytes = Math.min(fromBytes + partBytes, plan.sizeBytes)
    const id = await create(client, {
      'upload-length': String(toBytes - fromBytes),
      'upload-concat': 'partial',
      'upload-metadata': encodeMetadata({ key: plan.key }),
    })
    // For the oracle each part is a file as long as it is.
    const part = { ...plan, sizeBytes: toBytes - fromBytes }
    const sent = client.oracle.created(client.place, id, part, { isPartial: true })
    await bringByTus(client, sent, { fromBytes, toBytes })
    ids.push(id)
  }
  const id = await create(client, {
    'upload-concat': `final;${ids.map((each) => `/uploads/${each}`).join(' ')}`,
    'upload-metadata': encodeMetadata(metadataOf(plan)),
  })
  const whole = client.oracle.created(client.place, id, plan)
  await awaitOutcome(client, whole)
  for (const each of ids) {
    const part = client.oracle.find(each)
    if (part !== undefined) part.isDone = true
  }
  return whole
}

async function create(client: Client, headers: Readonly<Record<string, string>>): Promise<string> {
  const answer = await client.connection.persist(() => ({
    method: 'POST',
    path: '/uploads',
    headers: { 'tus-resumable': '1.0.0', 'content-length': '0', ...headers },
  }))
  const id = locatedId(answer)
  if (answer.status === 201 && id !== null) return id
  client.oracle.violate('creation refused', `${JSON.stringify(headers)}: ${answer.status} ${answer.body}`)
  throw new GivenUp()
}
