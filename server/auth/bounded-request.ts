// A small request to somebody whose answer is believed, and who may be away, slow or broken all the same.

export interface BoundedRequest {
  readonly url: string
  /** JSON for a POST; without it, it is a GET. */
  readonly body?: unknown
  /** For all of it: connection, request, the whole answer. */
  readonly timeoutMs: number
  readonly mostAnswerBytes: number
}

/**
 * The answer, whatever its status. Redirects are not followed: an answer may not choose who is believed, nor where a key goes.
 *
 * Rejects when there is none, it is too late or too long. No error tells what was sent.
 */
export async function ask({
  url,
  body,
  timeoutMs,
  mostAnswerBytes,
}: BoundedRequest): Promise<{ status: number; text: string }> {
  const post = {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'Content-Type': 'application/json', Accept: 'application/json' },
  }
  const get = { headers: { Accept: 'application/json, application/jwk-set+json' } }
  const answer = await fetch(url, {
    ...(body === undefined ? get : post),
    redirect: 'manual',
    signal: AbortSignal.timeout(timeoutMs),
  })
  const pieces: Uint8Array[] = []
  let bytes = 0
  // Leaving the loop ends the connection.
  for await (const piece of answer.body ?? []) {
    bytes += piece.byteLength
    if (bytes > mostAnswerBytes) throw new Error(`The answer has more than ${mostAnswerBytes} bytes.`)
    pieces.push(piece)
  }
  return { status: answer.status, text: Buffer.concat(pieces).toString() }
}
