// tus-js-client, as a page uses it: what it does when HEAD fails is not ours to mend (ARCHITECTURE.md, invariant 13).

import { DefaultHttpStack, type HttpRequest, type HttpStack } from 'tus-js-client'
import { startUpload } from '../../end-to-end/tus-client.js'
import { nameOf, type Oracle, type Sent } from '../oracle.js'
import { metadataOf } from './by-tus.js'
import { type Client, GivenUp } from './client.js'
import { RunOver } from './connection.js'
import { contentOf } from './content.js'
import type { FilePlan } from './file-plan.js'
import { awaitOutcome } from './outcome.js'

/** As often as it takes: the run ends it. */
const RETRY_DELAYS = Array.from({ length: 2000 }, () => 250)

/** @returns null when it was refused as planned @throws RunOver, GivenUp */
export async function sendByTusJs(client: Client, plan: FilePlan): Promise<Sent | null> {
  const { oracle, url, key, over } = client
  const watched = startUpload(
    contentOf(plan.key, 0, plan.sizeBytes),
    { url, key },
    {
      metadata: metadataOf(plan),
      chunkSize: plan.chunkBytes,
      retryDelays: RETRY_DELAYS,
      httpStack: new TellingStack(oracle),
    },
  )
  const stop = () => void watched.upload.abort()
  over.addEventListener('abort', stop)
  const ended = new Promise<never>((_, reject) => {
    over.addEventListener('abort', () => reject(new RunOver()), { once: true })
  })
  ended.catch(() => {})
  let refusal: unknown = null
  try {
    await Promise.race([watched.done, ended])
  } catch (error) {
    if (error instanceof RunOver) throw error
    refusal = error
  } finally {
    over.removeEventListener('abort', stop)
  }
  // What failed for its digest is 410 when its 422 was lost, and tus-js-client then rightly sends it once more.
  if (plan.declares !== 'wrong') {
    for (const loss of watched.losses)
      oracle.violate('acknowledged bytes lost', `${plan.key} by tus-js-client: ${loss}`)
    if (watched.creations() > 1) {
      oracle.violate(
        'tus-js-client began anew',
        `${plan.key}: ${watched.creations()} creations were answered 201.`,
      )
    }
  }
  const id = watched.id()
  if (refusal !== null && plan.declares !== 'wrong') {
    oracle.violate('unexpected refusal', `${plan.key} by tus-js-client: ${String(refusal)}`)
    throw new GivenUp()
  }
  if (id === '' || watched.upload.url === null) {
    oracle.count('refused as it should')
    return null
  }
  const sent = oracle.created(client.place, id, plan)
  const told = { leastBytes: 0, mostBytes: plan.sizeBytes }
  if (watched.acknowledgedBytes() > 0) oracle.offsetTold(sent, watched.acknowledgedBytes(), told)
  const report = await awaitOutcome(client, sent)
  if (refusal !== null && report.state === 'ready') {
    oracle.violate('refused and ready', `${nameOf(sent)}: ${String(refusal)}`)
  }
  return sent
}

/** Its own way to ask, whose answers the oracle hears of. */
class TellingStack implements HttpStack {
  readonly #stack = new DefaultHttpStack({})
  readonly #oracle: Oracle

  constructor(oracle: Oracle) {
    this.#oracle = oracle
  }

  getName(): string {
    return 'TellingStack'
  }

  createRequest(method: string, url: string): HttpRequest {
    const request = this.#stack.createRequest(method, url)
    const send = request.send.bind(request)
    request.send = async (body) => {
      try {
        const answer = await send(body)
        const text = Buffer.from(answer.getBody())
        this.#oracle.answered(method, new URL(url).pathname, answer.getStatus(), text)
        return answer
      } catch (error) {
        this.#oracle.broken += 1
        throw error
      }
    }
    return request
  }
}
