// A whole file in one POST: what breaks leaves nothing, and is sent again.

import type { Sent } from '../oracle.js'
import { bodyOf } from './body.js'
import { declaredOf } from './by-tus.js'
import { type Client, GivenUp } from './client.js'
import { codeOf, isPassing, jsonOf } from './connection.js'
import type { FilePlan } from './file-plan.js'
import { awaitOutcome } from './outcome.js'

/** @returns null when it was refused as planned @throws RunOver, GivenUp */
export async function sendByBody(client: Client, plan: FilePlan): Promise<Sent | null> {
  const query = new URLSearchParams({
    key: plan.key,
    size: String(plan.sizeBytes),
    ...(plan.label === null ? {} : { label: plan.label }),
    ...declaredOf(plan),
  })
  for (let tried = 0; ; tried += 1) {
    const answer = await client.connection.ask({
      method: 'POST',
      // Each by another name: what broke may still stand at its path.
      path: `/files?${query}&filename=${plan.key}-${tried}.bin`,
      headers: { 'content-type': 'application/octet-stream', 'content-length': String(plan.sizeBytes) },
      body: plan.sizeBytes === 0 ? Buffer.alloc(0) : bodyOf(plan, [0, plan.sizeBytes], client),
    })
    if (answer?.status === 201 || answer?.status === 202) {
      const { upload_id: uploadId, id } = jsonOf<{ upload_id?: string; id?: string }>(answer)
      const sent = client.oracle.created(client.place, uploadId ?? id ?? '', plan)
      const bytes = { leastBytes: plan.sizeBytes, mostBytes: plan.sizeBytes }
      client.oracle.offsetTold(sent, plan.sizeBytes, bytes)
      await awaitOutcome(client, sent)
      return sent
    }
    if (answer !== null && codeOf(answer) === 'HASH_MISMATCH' && plan.declares === 'wrong') {
      client.oracle.count('refused as it should')
      return null
    }
    if (answer !== null && !isPassing(answer)) {
      client.oracle.violate(
        'unexpected refusal',
        `POST /files of ${plan.key}: ${answer.status} ${answer.body}`,
      )
      throw new GivenUp()
    }
    await client.connection.pause(tried)
  }
}
