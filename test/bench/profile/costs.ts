// What a CPU profile says costs most. Pure.

/** The parts of V8's .cpuprofile that are read here. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: {
      readonly functionName: string
      readonly url: string
      /** From 0. */
      readonly lineNumber: number
    }
  }[]
  /** The node that each sample found. */
  readonly samples?: readonly number[]
  /** Microseconds from the sample before. */
  readonly timeDeltas?: readonly number[]
}

export interface Cost {
  /** `name file:line`; V8's own words, such as (garbage collector), stand alone. */
  readonly function: string
  /** In the function itself, not in what it calls. */
  readonly selfMs: number
  /** Of all that was not idle, from 0 to 1. */
  readonly share: number
}

/** How the functions that cost most come out, and how long the thread was busy. */
export interface Costs {
  readonly busyMs: number
  /** The dearest first. */
  readonly top: readonly Cost[]
}

/** Waiting costs nothing; `dispatch` is V8's inspector itself, beginning and ending the profile. */
const NO_COSTS: ReadonlySet<string> = new Set(['(idle)', 'dispatch'])

/** The `count` dearest functions of one thread, calls of one function from several places together. */
export function costsOf({ nodes, samples = [], timeDeltas = [] }: CpuProfile, count: number): Costs {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
  const selfMs = new Map<string, number>()
  for (const [index, id] of samples.entries()) {
    const name = names.get(id)
    if (name === undefined || NO_COSTS.has(name)) continue
    // V8's clock may step back by some microseconds between two samples.
    selfMs.set(name, (selfMs.get(name) ?? 0) + Math.max(0, timeDeltas[index] ?? 0) / 1000)
  }
  const busyMs = [...selfMs.values()].reduce((sum, each) => sum + each, 0)
  const top = [...selfMs]
    .sort(([, left], [, right]) => right - left)
    .slice(0, count)
    .map(([name, ms]): Cost => ({ function: name, selfMs: ms, share: busyMs === 0 ? 0 : ms / busyMs }))
  return { busyMs, top }
}

function nameOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const name = functionName === '' ? '(anonymous)' : functionName
  return url === '' ? name : `${name} ${shortUrl(url)}:${lineNumber + 1}`
}

/** From the package's name, or from `dist`: where a file lies above that differs from machine to machine. */
function shortUrl(url: string): string {
  return url.replace(/^file:\/\/.*\/(?:node_modules|dist)\//, '')
}
