// Sends what is due, on every instance at once; the records see to it that two don't send the same.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { tracedDelivery } from '../tracing/deliveries.js'
import { BACKOFF, type Backoff, delayAfter, restAfter } from './backoff.js'
import type { FanOut } from './fan-out.js'
import type { Claimed, WebhookRecords } from './records.js'
import type { Attempt, Sender } from './sender.js'
import { shownOrigin } from './target.js'

/** Who wants to know what comes of deliveries. Must be quick, and never throw. */
export interface DeliveryObserver {
  /** `failed` is tried again, `given_up` isn't; `cut` was ended by a stop. */
  attempted(outcome: 'delivered' | 'failed' | 'given_up' | 'cut', milliseconds: number): void
}

export interface DispatcherOptions {
  records: WebhookRecords
  fanOut: FanOut
  sender: Sender
  log: Logger
  backoff?: Backoff
  observer?: DeliveryObserver | undefined
  /** How often is looked for new events and for what is due. */
  lookMilliseconds?: number
}

/** Deliveries that are sent at the same time, of different webhooks. */
const MOST_AT_ONCE = 8
const LOOK_MILLISECONDS = 1_000
/** The pause while nobody has a webhook, and after trouble with the database. */
const IDLE_MILLISECONDS = 30_000
const TROUBLE_MILLISECONDS = 5_000
/** A lease is that much longer than an attempt may take. */
const LEASE_PER_TIMEOUT = 3
/** How long `stop` waits for answers before it cuts what is under way. */
const STOP_MILLISECONDS = 3_000

export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #stop = new AbortController()
  /** Aborted when what is being sent has to end at once. */
  readonly #cut = new AbortController()
  readonly #sending = new Set<Promise<void>>()
  /** Failures in a row of each webhook, and until when it is left in peace by this instance (of performance.now()). */
  readonly #failing = new Map<string, { failures: number; untilMs: number }>()
  #running: Promise<void> | undefined
  #nextLookMs = 0
  #wake: () => void = () => {}
  #isAwake = false

  constructor(options: DispatcherOptions) {
    this.#options = options
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Looks now: there may be something new. */
  wake(): void {
    this.#nextLookMs = 0
    this.#goOn()
  }

  /** Begins nothing more and waits for what is being sent, at most some seconds; the rest is due again at once. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.#goOn()
    await this.#running
    const timer = setTimeout(() => this.#cut.abort(), STOP_MILLISECONDS)
    await Promise.all(this.#sending)
    clearTimeout(timer)
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#isAwake = false
      const waitMs = await this.#look().catch((error: unknown) => {
        this.#options.log.warn({ err: error }, 'webhooks wait: the database is in trouble')
        return TROUBLE_MILLISECONDS
      })
      await this.#rest(waitMs)
    }
  }

  /** @returns milliseconds until there may be something to do again */
  async #look(): Promise<number> {
    const { records, fanOut, lookMilliseconds } = this.#options
    if (performance.now() >= this.#nextLookMs) {
      this.#nextLookMs = performance.now() + (lookMilliseconds ?? LOOK_MILLISECONDS)
      if (!(await records.hasWebhooks())) {
        this.#failing.clear()
        this.#nextLookMs = performance.now() + IDLE_MILLISECONDS
        return IDLE_MILLISECONDS
      }
      await fanOut.run(this.#stop.signal)
    }
    await this.#sendDue()
    return Math.max(0, this.#nextLookMs - performance.now())
  }

  async #sendDue(): Promise<void> {
    const free = MOST_AT_ONCE - this.#sending.size
    if (free <= 0 || this.#stop.signal.aborted) return
    const { records, sender } = this.#options
    const leaseSeconds = LEASE_PER_TIMEOUT * sender.timeoutSeconds
    for (const claimed of await records.claim(free, { leaseSeconds, resting: this.#resting() })) {
      const sending = this.#send(claimed)
        .catch((error: unknown) => {
          // Its lease lapses, and it is sent again.
          this.#options.log.warn(
            { err: error, delivery_id: claimed.id },
            'what came of a delivery is not recorded',
          )
        })
        .finally(() => {
          this.#sending.delete(sending)
          this.#goOn()
        })
      this.#sending.add(sending)
    }
  }

  async #send(claimed: Claimed): Promise<void> {
    const { records, sender, observer } = this.#options
    const startedAtMs = performance.now()
    const attempt = await tracedDelivery(claimed, () => sender.send(claimed, claimed, this.#cut.signal))
    const tookMs = performance.now() - startedAtMs
    if (attempt.isCut) {
      observer?.attempted('cut', tookMs)
      return records.release(claimed, attempt)
    }
    this.#remember(claimed.webhookId, attempt)
    if (attempt.error === null) {
      observer?.attempted('delivered', tookMs)
      this.#tell('debug', claimed, attempt, 'webhook delivered')
      return records.recordDelivered(claimed.id, attempt.status)
    }
    const delaySeconds = delayAfter(this.#options.backoff ?? BACKOFF, { ...claimed, random: Math.random() })
    observer?.attempted(delaySeconds === null ? 'given_up' : 'failed', tookMs)
    if (delaySeconds === null) this.#tell('warn', claimed, attempt, 'webhook given up')
    else this.#tell('info', claimed, attempt, 'webhook not delivered, tried again later')
    return records.recordFailure(claimed, attempt, delaySeconds)
  }

  /** Of the URL only what is no secret. */
  #tell(
    level: 'debug' | 'info' | 'warn',
    claimed: Claimed,
    { status, error }: Attempt,
    message: string,
  ): void {
    const { id, webhookId, type, sequence, attempts, url } = claimed
    const line = {
      delivery_id: id,
      webhook_id: webhookId,
      type,
      sequence,
      attempts,
      to: shownOrigin(url),
      status,
      error,
    }
    this.#options.log[level](line, message)
  }

  #remember(webhookId: string, { error }: Attempt): void {
    if (error === null) {
      this.#failing.delete(webhookId)
      return
    }
    const failures = (this.#failing.get(webhookId)?.failures ?? 0) + 1
    this.#failing.set(webhookId, { failures, untilMs: performance.now() + restAfter(failures) * 1000 })
  }

  #resting(): string[] {
    const nowMs = performance.now()
    return [...this.#failing].filter(([, { untilMs }]) => untilMs > nowMs).map(([id]) => id)
  }

  #goOn(): void {
    this.#isAwake = true
    this.#wake()
  }

  /** Until `milliseconds` are over, or it is woken, or was since the turn began. */
  async #rest(milliseconds: number): Promise<void> {
    if (this.#isAwake || this.#stop.signal.aborted) return
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    await sleep(milliseconds, undefined, { signal: woken.signal, ref: false }).catch(() => {})
    this.#wake = () => {}
  }
}
