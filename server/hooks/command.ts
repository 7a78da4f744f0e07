// A check by a command: the bytes on its standard input, its exit code is the answer.

import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../errors.js'
import type { ContentCheck, ContentFacts, ReadContent, Verdict } from './content-check.js'
import { environmentOf } from './facts.js'
import { feed } from './feed.js'
import { endGroup, signalGroup } from './process-group.js'
import { FirstBytes, wordsOf } from './words.js'

/** What the command wrote before its end is in the pipe still; who holds it open after that isn't waited for. */
const LAST_OUTPUT_MS = 1000

interface Exit {
  /** Null: a signal ended it, or it never ran. */
  code: number | null
  /** In words, when there is no code. */
  fault: string
}

export class CommandCheck implements ContentCheck {
  readonly #command: string
  readonly #environment: Readonly<Record<string, string>>

  /**
   * @param command a line for /bin/sh
   * @param environment what it gets beside the facts, PATH for one; whatever else this server's environment has stays here
   */
  constructor(command: string, environment: Readonly<Record<string, string>>) {
    this.#command = command
    this.#environment = environment
  }

  async check(facts: ContentFacts, read: ReadContent, signal: AbortSignal): Promise<Verdict> {
    signal.throwIfAborted()
    const child = spawn('/bin/sh', ['-c', this.#command], {
      env: { ...this.#environment, ...environmentOf(facts) },
      // A group of its own, so that whatever the shell starts can be ended with it.
      detached: true,
      stdio: 'pipe',
    })
    const exited = whenExited(child)
    // It may come in the same tick as the exit.
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
    const said = gather(child.stdout)
    const complained = gather(child.stderr)
    const cutting = new AbortController()
    const cut = () => cutting.abort(signal.reason)
    signal.addEventListener('abort', cut, { once: true })
    let isOver = false
    let ending = Promise.resolve()
    cutting.signal.addEventListener('abort', () => {
      if (child.pid !== undefined && !isOver) ending = endGroup(child.pid)
    })
    // Bytes that can't be read end it: it must not say yes to those it has.
    const fed = feed(read, child.stdin, cutting.signal).catch((error: unknown) => cutting.abort(error))
    try {
      const exit = await exited
      if (cutting.signal.aborted) {
        await ending
        throw cutting.signal.reason
      }
      await endOutput(child, closed)
      return verdictOf(exit, said.text(), complained.text())
    } finally {
      isOver = true
      signal.removeEventListener('abort', cut)
      cutting.abort()
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy()
      await fed
    }
  }
}

function whenExited(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: null, fault: `could not be started (${error.message})` }))
    child.once('exit', (code, killedBy) => resolve({ code, fault: `was ended by ${killedBy}` }))
  })
}

/** Reads on to the end, so that the command never waits for us. */
function gather(stream: NodeJS.ReadableStream): FirstBytes {
  const bytes = new FirstBytes()
  stream.on('data', (chunk: Buffer) => void bytes.add(chunk))
  stream.on('error', () => {})
  return bytes
}

/** Whatever the command left running holds its output open: it ends with it. */
async function endOutput(child: ChildProcess, closed: Promise<void>): Promise<void> {
  if (child.pid === undefined) return
  signalGroup(child.pid, 'SIGKILL')
  const waiting = new AbortController()
  await Promise.race([closed, sleep(LAST_OUTPUT_MS, undefined, { signal: waiting.signal }).catch(() => {})])
  waiting.abort()
}

function verdictOf({ code, fault }: Exit, said: string, complained: string): Verdict {
  if (code === 0) return { isAccepted: true }
  if (code === 1) return { isAccepted: false, words: wordsOf(said) }
  const complaint = wordsOf(complained)
  throw new AppError(
    'UNAVAILABLE',
    `The content check's command ${code === null ? fault : `ended with exit code ${code}`}${complaint === '' ? '.' : `: ${complaint}`}`,
  )
}
