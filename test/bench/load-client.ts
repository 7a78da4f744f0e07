// The bench's end of the channel to its load process.

import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { LoadKind, LoadReply, LoadTasks } from './load-tasks.js'

interface Pending {
  resolve(result: LoadTasks[LoadKind]['result']): void
  reject(error: Error): void
}

/** Runs tasks in a second process, so that the client's work never shares a thread with what is measured. */
export class LoadClient {
  readonly #child: ChildProcess
  readonly #pending = new Map<number, Pending>()
  #lastId = 0

  constructor() {
    // Its own flags, the same beside every server and in every table.
    this.#child = fork(fileURLToPath(new URL('./load.js', import.meta.url)), {
      execArgv: ['--single-threaded-gc'],
    })
    this.#child.on('message', (reply: LoadReply) => this.#settle(reply))
    // A task for a process that was stopped; `perform` rejects.
    this.#child.on('error', (error) => this.#fail(error))
    this.#child.on('exit', (code) => this.#fail(new Error(`The load process ended with code ${code}.`)))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Rejects when the server refused, cut the connection or answered something unexpected. */
  perform<K extends LoadKind>(kind: K, task: LoadTasks[K]['task']): Promise<LoadTasks[K]['result']> {
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.#child.send({ id, kind, task })
    })
  }

  stop(): void {
    this.#child.kill()
  }

  #settle(reply: LoadReply): void {
    const pending = this.#pending.get(reply.id)
    this.#pending.delete(reply.id)
    if ('error' in reply) pending?.reject(new Error(`Under load: ${reply.error}`))
    else pending?.resolve(reply.result)
  }

  #fail(error: Error): void {
    for (const pending of this.#pending.values()) pending.reject(error)
    this.#pending.clear()
  }
}
