// CPU profiles of this process: of its main thread, and of every worker thread.
// Loaded by the probe into a measured server. V8's inspector sees JavaScript and what it calls; threads without any (the thread
// pool, a library's own) it doesn't.

import { Session } from 'node:inspector'
import { Session as PromisedSession } from 'node:inspector/promises'

/** How often V8 looks where each thread is. */
const SAMPLING_INTERVAL_MICROSECONDS = 500

export interface ThreadProfile {
  /** `main`, or `worker-1` and so on. */
  readonly thread: string
  /** What V8 gives: the content of a .cpuprofile. */
  readonly profile: unknown
}

/** One recording at a time. */
export class ProfileRecorder {
  readonly #session = new PromisedSession()
  readonly #workers = new WorkerProfiles()

  async start(): Promise<void> {
    await this.#workers.start()
    this.#session.connect()
    await this.#session.post('Profiler.enable')
    await this.#session.post('Profiler.setSamplingInterval', { interval: SAMPLING_INTERVAL_MICROSECONDS })
    await this.#session.post('Profiler.start')
  }

  async stop(): Promise<readonly ThreadProfile[]> {
    const { profile } = await this.#session.post('Profiler.stop')
    this.#session.disconnect()
    const workers = (await this.#workers.stop()).map((profile, index) => ({
      thread: `worker-${index + 1}`,
      profile,
    }))
    return [{ thread: 'main', profile }, ...workers]
  }
}

/** Those of the worker threads. Node's protocol wraps what is said to each in messages of text. */
class WorkerProfiles {
  #session: Session | undefined
  /** By the worker's session; null where none has come yet. */
  #profiles = new Map<string, unknown>()
  #onProfile: () => void = () => {}

  /** Workers that start later are profiled from their start. */
  async start(): Promise<void> {
    this.#profiles = new Map()
    const session = new Session()
    this.#session = session
    session.connect()
    session.on('NodeWorker.attachedToWorker', ({ params: { sessionId } }) => {
      this.#profiles.set(sessionId, null)
      this.#tell(sessionId, 'Profiler.enable')
      this.#tell(sessionId, 'Profiler.setSamplingInterval', { interval: SAMPLING_INTERVAL_MICROSECONDS })
      this.#tell(sessionId, 'Profiler.start')
    })
    session.on('NodeWorker.detachedFromWorker', ({ params }) => {
      this.#profiles.delete(params.sessionId)
      this.#onProfile()
    })
    session.on('NodeWorker.receivedMessageFromWorker', ({ params }) => {
      const { result } = JSON.parse(params.message) as { result?: { profile?: unknown } }
      if (result?.profile === undefined) return
      this.#profiles.set(params.sessionId, result.profile)
      this.#onProfile()
    })
    await new Promise<void>((resolve, reject) => {
      session.post('NodeWorker.enable', { waitForDebuggerOnStart: false }, (error) =>
        error ? reject(error) : resolve(),
      )
    })
  }

  /** In the order of the workers' starts. One that has ended has none. */
  async stop(): Promise<readonly unknown[]> {
    const areThere = (): boolean => [...this.#profiles.values()].every((profile) => profile !== null)
    await new Promise<void>((resolve) => {
      this.#onProfile = () => {
        if (areThere()) resolve()
      }
      for (const sessionId of this.#profiles.keys()) this.#tell(sessionId, 'Profiler.stop')
      this.#onProfile()
    })
    this.#session?.disconnect()
    return [...this.#profiles.values()]
  }

  #tell(sessionId: string, method: string, params: object = {}): void {
    const message = JSON.stringify({ id: 1, method, params })
    this.#session?.post('NodeWorker.sendMessageToWorker', { sessionId, message }, (error) => {
      // It has ended.
      if (error) this.#profiles.delete(sessionId)
    })
  }
}
