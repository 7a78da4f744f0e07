// What clients were told, and what follows from it: what may never be taken back, and which answers may never come. It only
// remembers and compares; what is in the database and in the store is the verdict's.

import type { FilePlan } from './load/file-plan.js'
import type { Place } from './stage/stage.js'

export interface Violation {
  /** Milliseconds since the run began. */
  readonly atMs: number
  readonly kind: string
  readonly text: string
}

/** `asked`: may have been heard, or not. `restorable`, `ended`: acknowledged. */
export type Deletion = 'none' | 'asked' | 'restorable' | 'ended'

/** One upload whose creation was acknowledged. */
export interface Sent {
  readonly id: string
  readonly place: Place
  readonly plan: FilePlan
  /** A part of a concatenation: the way of a file, not a file. */
  readonly isPartial: boolean
  /** The highest offset that any answer has told. */
  acknowledgedBytes: number
  deletion: Deletion
  /** A client was told that it is ready. */
  isReadySeen: boolean
  /** A client was told that it failed: the error's code. */
  failure: string | null
  /** Its client has done all that it had planned with it. */
  isDone: boolean
  /** The path of its retrieval URL, once it is ready. */
  retrievalPath: string | null
}

export interface FinalizedPackage {
  readonly place: Place
  readonly id: string
  readonly manifestSha256: string
}

/** Enough to find a cause by; more would hide it. */
const MOST_VIOLATIONS = 200
const MOST_BODY_CHARACTERS = 600

/** Trouble that may pass, and is said so: try again. */
const EXPECTED_TROUBLE: readonly number[] = [503, 507]

export class Oracle {
  readonly violations: Violation[] = []
  readonly finalized: FinalizedPackage[] = []
  /** How often each method was answered by each status: `PATCH 204`. */
  readonly answers = new Map<string, number>()
  /** Requests that broke before their answer was whole: not answers. */
  broken = 0
  acknowledgedBytes = 0
  readBytes = 0
  readonly acts = new Map<string, number>()
  readonly #sent = new Map<string, Sent>()
  readonly #plans = new Map<string, FilePlan>()
  readonly #beganMs = performance.now()
  readonly #onViolation: (violation: Violation) => void
  #lastSuccessMs = performance.now()
  #longestOutageMs = 0

  constructor(onViolation: (violation: Violation) => void = () => {}) {
    this.#onViolation = onViolation
  }

  get sent(): readonly Sent[] {
    return [...this.#sent.values()]
  }

  find(id: string): Sent | undefined {
    return this.#sent.get(id)
  }

  planOf(key: string): FilePlan | undefined {
    return this.#plans.get(key)
  }

  /** The longest time in which no request of any client succeeded. */
  get longestOutageMs(): number {
    return Math.max(this.#longestOutageMs, performance.now() - this.#lastSuccessMs)
  }

  /** No more requests are made: the time from now on is no outage. */
  rest(): void {
    this.#success()
    this.#lastSuccessMs = Number.POSITIVE_INFINITY
  }

  violate(kind: string, text: string): void {
    if (this.violations.length >= MOST_VIOLATIONS) return
    const violation = { atMs: Math.round(performance.now() - this.#beganMs), kind, text }
    this.violations.push(violation)
    this.#onViolation(violation)
  }

  /** Something that is worth counting in the report. */
  count(act: string): void {
    this.acts.set(act, (this.acts.get(act) ?? 0) + 1)
  }

  /** Before the first request for it: even what is made without an answer is known by its key. */
  planned(plan: FilePlan): void {
    this.#plans.set(plan.key, plan)
  }

  /** Its creation was acknowledged; told again, it is the same. */
  created(place: Place, id: string, plan: FilePlan, { isPartial = false } = {}): Sent {
    const known = this.#sent.get(id)
    if (known !== undefined) {
      if (known.plan.key !== plan.key) {
        this.violate('id given twice', `${id} is ${known.plan.key}, and was answered for ${plan.key}.`)
      }
      return known
    }
    const sent: Sent = {
      ...{ id, place, plan, isPartial, acknowledgedBytes: 0, deletion: 'none', isReadySeen: false },
      ...{ failure: null, isDone: false, retrievalPath: null },
    }
    this.#sent.set(id, sent)
    this.count(`begun by ${plan.way}`)
    return sent
  }

  /**
   * An answer told how far an upload is.
   *
   * @param leastBytes what had been acknowledged when the request for it went
   * @param mostBytes what can have arrived
   */
  offsetTold(
    sent: Sent,
    offset: number,
    { leastBytes, mostBytes }: { leastBytes: number; mostBytes: number },
  ): void {
    if (!Number.isSafeInteger(offset) || offset > mostBytes) {
      this.violate(
        'offset past what was sent',
        `${nameOf(sent)}: ${offset}, but only ${mostBytes} bytes were sent.`,
      )
    } else if (offset < leastBytes && sent.deletion === 'none') {
      this.violate(
        'acknowledged bytes lost',
        `${nameOf(sent)}: ${offset} after ${leastBytes} were acknowledged.`,
      )
    } else if (offset > sent.acknowledgedBytes) {
      this.acknowledgedBytes += offset - sent.acknowledgedBytes
      sent.acknowledgedBytes = offset
    }
  }

  /** Every answer goes through here. */
  answered(method: string, path: string, status: number, body: Buffer): void {
    const name = `${method} ${status}`
    this.answers.set(name, (this.answers.get(name) ?? 0) + 1)
    if (status < 500 && status !== 423) this.#success()
    if (status < 500) return
    const isHeadOfTus = method === 'HEAD' && path.startsWith('/uploads/')
    if (EXPECTED_TROUBLE.includes(status) && !isHeadOfTus) return
    const text = body.toString('utf8', 0, MOST_BODY_CHARACTERS)
    this.violate(
      isHeadOfTus ? 'HEAD of tus with 5xx' : `answer ${status}`,
      `${method} ${path}: ${status} ${text}`,
    )
  }

  #success(): void {
    const nowMs = performance.now()
    this.#longestOutageMs = Math.max(this.#longestOutageMs, nowMs - this.#lastSuccessMs)
    this.#lastSuccessMs = nowMs
  }
}

/** Of an upload, in a violation: by its key it is found in the plan, by its id in the logs. */
export function nameOf({ id, plan }: Pick<Sent, 'id' | 'plan'>): string {
  return `upload ${id} (${plan.key}, ${plan.way}, ${plan.sizeBytes} bytes)`
}
