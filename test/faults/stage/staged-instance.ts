// One server process of the stage, supervised as Docker does it: one that ends by itself is started again.

import { setTimeout as sleep } from 'node:timers/promises'
import type { S3Proxy } from '../../support/s3-proxy.js'
import type { TestServer } from '../../support/server.js'
import type { FakedClock } from './faked-clock.js'
import type { Instance, InstanceName, Line } from './stage.js'

const WATCH_MS = 100
const RESTART_PAUSE_MS = 300
const ANSWER_TIMEOUT_MS = 30_000
/** For a question to one that may be frozen or busy. */
const PATIENCE_MS = 2_000

interface Outage {
  readonly fromMs: number
  untilMs: number | undefined
}

interface Parts {
  readonly name: InstanceName
  /** Started. */
  readonly server: TestServer
  readonly databaseLine: Line
  readonly s3: S3Proxy | undefined
  readonly clock: FakedClock
  readonly log: (line: string) => void
}

export class StagedInstance implements Instance {
  readonly name: InstanceName
  readonly url: string
  readonly key: string
  readonly databaseLine: Line
  readonly s3: S3Proxy | undefined
  readonly #server: TestServer
  readonly #clock: FakedClock
  readonly #log: (line: string) => void
  readonly #watch: NodeJS.Timeout
  #outages: Outage[] = []
  #crashes = 0
  #kills = 0
  /** Where in the server's log this run begins. */
  #logStart = 0
  /** Whether it is to run; what ends it says no first, so that nobody starts it again. */
  #isWanted = true
  #starting: Promise<void> | undefined
  #isFrozen = false

  constructor({ name, server, databaseLine, s3, clock, log }: Parts) {
    this.name = name
    this.url = server.url
    this.key = server.key
    this.databaseLine = databaseLine
    this.s3 = s3
    this.#server = server
    this.#clock = clock
    this.#log = log
    this.#watch = setInterval(() => this.#look(), WATCH_MS)
    this.#watch.unref()
  }

  get pid(): number | undefined {
    return this.#server.pid
  }

  get isDown(): boolean {
    return this.#outages.at(-1)?.untilMs === undefined && this.#outages.length > 0
  }

  get outages(): readonly Outage[] {
    return this.#outages
  }

  get crashes(): number {
    return this.#crashes
  }

  logs(): string {
    return this.#server.logs().slice(this.#logStart)
  }

  async kill(): Promise<void> {
    this.#away()
    this.#isWanted = false
    this.#isFrozen = false
    this.#kills += 1
    await this.#server.kill()
  }

  async stop(): Promise<number | undefined> {
    this.#away()
    this.#isWanted = false
    const kills = this.#kills
    const exitCode = await this.#server.stop()
    return this.#kills === kills ? exitCode : undefined
  }

  start(): Promise<void> {
    this.#isWanted = true
    this.#starting ??= this.#startUntilReady().finally(() => {
      this.#starting = undefined
    })
    return this.#starting
  }

  freeze(): void {
    const { pid } = this
    // Nothing is learnt of one that is just starting.
    if (pid === undefined || this.isDown) return
    this.#away()
    this.#isFrozen = true
    process.kill(pid, 'SIGSTOP')
  }

  async thaw(): Promise<void> {
    if (!this.#isFrozen) return
    this.#isFrozen = false
    const { pid } = this
    if (pid === undefined) return
    process.kill(pid, 'SIGCONT')
    // Whoever ends it before it has answered sees to its return.
    const isSame = () => this.#isWanted && this.pid === pid
    await waitUntilOk(`${this.url}/healthz`, ANSWER_TIMEOUT_MS, isSame)
    if (isSame()) this.#back()
  }

  setClock(seconds: number): Promise<void> {
    return this.#clock.set(seconds)
  }

  /** A new run: what was logged and counted is forgotten. */
  forget(): void {
    this.#logStart = this.#server.logs().length
    this.#outages = []
    this.#crashes = 0
  }

  async dispose(): Promise<void> {
    clearInterval(this.#watch)
    this.#isWanted = false
    await this.#server.dispose()
  }

  #away(): void {
    if (!this.isDown) this.#outages.push({ fromMs: performance.now(), untilMs: undefined })
  }

  #back(): void {
    const outage = this.#outages.at(-1)
    if (outage !== undefined) outage.untilMs ??= performance.now()
  }

  /** Until it is ready, or isn't wanted any more. */
  async #startUntilReady(): Promise<void> {
    while (this.#isWanted) {
      try {
        await this.#server.restart()
        if (!this.#isWanted) break
        this.#back()
        return
      } catch (error) {
        // Its log tells more. What it needs may be away, too.
        this.#log(`${this.name} has not started: ${lastLineOf(error)}`)
        await sleep(RESTART_PAUSE_MS)
      }
    }
    await this.#server.kill()
    // Wanted again meanwhile.
    if (this.#isWanted) await this.#startUntilReady()
  }

  #look(): void {
    if (!this.#isWanted || this.pid !== undefined || this.#starting !== undefined) return
    this.#crashes += 1
    this.#away()
    this.#log(`${this.name} has ended by itself`)
    this.start().catch((error) => this.#log(`${this.name}: ${String(error)}`))
  }
}

/** Until a GET answers 200, or `isOfInterest` no more; throws after `timeoutMs` with what it answered last. */
export async function waitUntilOk(url: string, timeoutMs: number, isOfInterest = () => true): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (isOfInterest()) {
    const said = await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS) }).then(
      async (answer) => (answer.status === 200 ? undefined : `${answer.status} ${await answer.text()}`),
      (error: unknown) => String(error),
    )
    if (said === undefined) return
    if (performance.now() > deadline) throw new Error(`${url}: ${said}`)
    await sleep(50)
  }
}

function lastLineOf(error: unknown): string {
  return String(error).trimEnd().split('\n').at(-1)?.slice(0, 300) ?? ''
}
