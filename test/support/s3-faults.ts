// What goes wrong between a client and S3: actions for the rules of s3-proxy.ts.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Exchange } from './s3-exchange.js'

/** What becomes of a request. Both connections are cut when it rejects. */
export type Action = (exchange: Exchange) => Promise<void>

export const forwards: Action = async (exchange) => exchange.answer(await exchange.forward())

/** An error of S3's, which never sees the request: `fails(503, 'SlowDown')`. */
export function fails(status: number, code: string, headers: Readonly<Record<string, string>> = {}): Action {
  return async (exchange) => {
    await exchange.swallow()
    exchange.answerWith(status, { 'content-type': 'application/xml', ...headers }, errorBody(code))
  }
}

/** The connection breaks before S3 sees anything of the request. */
export const cutBefore: Action = async (exchange) => exchange.cut()

/** The connection breaks when S3 has half of the request's body; before the request where it has none. */
export const cutInside: Action = async (exchange) => {
  if (exchange.bodyBytes > 1) await exchange.forward({ limitBytes: Math.floor(exchange.bodyBytes / 2) })
  exchange.cut()
}

/** S3 has done what it was asked to, and the connection breaks before the client hears of it. */
export const losesAnswer: Action = async (exchange) => {
  const answer = await exchange.forward()
  for await (const _ of answer) {
    // Read to its end: until there, a completion may still be going on.
  }
  exchange.cut()
}

/** The connection breaks when the client has so many bytes of the answer's body. */
export function cutAnswer(afterBytes: number): Action {
  return async (exchange) => exchange.answer(await exchange.forward(), { limitBytes: afterBytes })
}

/** The request is taken and never answered; S3 doesn't see it. */
export const hangs: Action = async (exchange) => {
  await exchange.swallow()
  await exchange.gone
}

/** S3 hears of it `milliseconds` later. */
export function delays(milliseconds: number): Action {
  return async (exchange) => {
    await sleep(milliseconds)
    await forwards(exchange)
  }
}

/** S3 hears of it at once, the client of the answer `milliseconds` after it. */
export function delaysAnswer(milliseconds: number): Action {
  return async (exchange) => {
    const answer = await exchange.forward()
    await sleep(milliseconds)
    await exchange.answer(answer)
  }
}

/** Bodies go both ways at that speed, a piece at a time. */
export function throttles(bytesPerSecond: number): Action {
  return async (exchange) => exchange.answer(await exchange.forward({ bytesPerSecond }), { bytesPerSecond })
}

/** 200, and the error in the body: what a completion or a copy that fails late answers. S3 doesn't see the request. */
export function says200WithError(code: string): Action {
  return fails(200, code)
}

/** S3 does what it is asked to, and the client hears this instead. */
export function rewritesAnswer(status: number, body: string): Action {
  return async (exchange) => {
    const answer = await exchange.forward()
    for await (const _ of answer) {
      // See losesAnswer.
    }
    exchange.answerWith(status, { 'content-type': 'application/xml' }, body)
  }
}

function errorBody(code: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${code}, says the proxy.</Message><RequestId>proxy</RequestId></Error>`
}
