// The one place that knows prom-client: families of metrics are made here, under one prefix, in base units.

import { Counter, Gauge, Histogram, Registry } from 'prom-client'

const PREFIX = 'antipasto_'

/** Of requests: from what a small file takes to what a large one does. Seconds. */
export const REQUEST_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
/** Of one step inside a request, such as a write to the disk or a request to S3. Seconds. */
export const STEP_BUCKETS = [0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

export interface Family<Label extends string> {
  /** Without the prefix; ends in its unit, and in `_total` when it counts. */
  name: string
  help: string
  /** Their values must come from a list that the program knows, never from a request. */
  labels?: readonly Label[]
}

/** A family as the operator's page tells it. */
export interface Described {
  name: string
  type: 'counter' | 'gauge' | 'histogram'
  help: string
  labels: readonly string[]
}

/** Makes metrics of one registry. */
export class Families {
  readonly registry = new Registry()
  /** In the order in which they were made. */
  readonly described: Described[] = []

  counter<Label extends string = never>({ name, help, labels = [] }: Family<Label>): Counter<Label> {
    return new Counter(this.#describe('counter', { name, help, labels }))
  }

  gauge<Label extends string = never>({ name, help, labels = [] }: Family<Label>): Gauge<Label> {
    return new Gauge(this.#describe('gauge', { name, help, labels }))
  }

  histogram<Label extends string = never>(
    { name, help, labels = [] }: Family<Label>,
    buckets: readonly number[],
  ): Histogram<Label> {
    return new Histogram({ ...this.#describe('histogram', { name, help, labels }), buckets: [...buckets] })
  }

  /**
   * A gauge that is asked for its values when somebody reads it.
   *
   * @param values by labels; none: the gauge isn't shown, since a stale figure is worse than a missing one. A rejection says
   * the same.
   */
  readOnScrape<Label extends string = never>(
    { name, help, labels = [] }: Family<Label>,
    values: () => Reading<Label>[] | Promise<Reading<Label>[]>,
  ): void {
    new Gauge({
      ...this.#describe('gauge', { name, help, labels }),
      async collect() {
        const readings = await Promise.resolve()
          .then(values)
          .catch(() => [])
        this.reset()
        // Without labels a reset is a 0.
        if (readings.length === 0 && labels.length === 0) this.remove()
        for (const { value, of = {} } of readings) this.set(of as Record<Label, string>, value)
      },
    })
  }

  /** A counter of something that keeps its own account: asked for the sum when somebody reads it. */
  countedElsewhere<Label extends string = never>(
    { name, help, labels = [] }: Family<Label>,
    sums: () => Reading<Label>[],
  ): void {
    new Counter({
      ...this.#describe('counter', { name, help, labels }),
      collect() {
        this.reset()
        for (const { value, of = {} } of sums()) this.inc(of as Record<Label, string>, value)
      },
    })
  }

  #describe<Label extends string>(
    type: Described['type'],
    { name, help, labels = [] }: Family<Label>,
  ): { name: string; help: string; labelNames: Label[]; registers: Registry[] } {
    this.described.push({ name: PREFIX + name, type, help, labels })
    return { name: PREFIX + name, help, labelNames: [...labels], registers: [this.registry] }
  }
}

export interface Reading<Label extends string> {
  value: number
  /** Absent: of a metric without labels. */
  of?: Readonly<Record<Label, string>>
}
