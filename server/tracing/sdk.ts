// OpenTelemetry's SDK as we want it: what is sampled, how spans wait, where they go. Loaded only when tracing is on.
//
// Spans go out in the background, by OTLP over HTTP in JSON. A collector that is away costs spans, and never a request: at most
// QUEUE_SPANS wait, what comes on top of them is dropped; the log tells when sending begins to fail.

import { trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  NodeTracerProvider,
  ParentBasedSampler,
  type ReadableSpan,
  type Sampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-node'
import type { Logger } from 'pino'
import type { TracingSettings } from '../config/tracing.js'
import { VERSION } from '../version.js'
import type { Tracing } from './open.js'
import { traceWith } from './span.js'

const QUEUE_SPANS = 4096
const BATCH_SPANS = 512
const DELAY_MS = 1000
/** For one batch, with all attempts: what the stop waits for, too. */
const EXPORT_MS = 3000
const MOST_VALUE_LENGTH = 600

/** Starts it for the whole process. */
export function startSdk(settings: TracingSettings, log: Logger): Tracing {
  const exporter = new OTLPTraceExporter({
    url: settings.url,
    headers: { ...settings.headers },
    timeoutMillis: EXPORT_MS,
    keepAlive: true,
  })
  const processor = new BatchSpanProcessor(new WatchedExporter(exporter, log), {
    maxQueueSize: QUEUE_SPANS,
    maxExportBatchSize: BATCH_SPANS,
    scheduledDelayMillis: DELAY_MS,
    exportTimeoutMillis: EXPORT_MS + 500,
  })
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({
      'service.name': settings.serviceName,
      'service.version': VERSION,
    }),
    sampler: samplerOf(settings),
    spanLimits: { attributeValueLengthLimit: MOST_VALUE_LENGTH },
    spanProcessors: [processor],
  })
  provider.register()
  traceWith(trace.getTracer('antipasto', VERSION))
  log.info({ sampler: settings.sampler }, 'requests are traced')
  return {
    async close() {
      traceWith(undefined)
      await withinLimit(provider.shutdown())
    },
  }
}

function samplerOf({ sampler, sampledRatio }: TracingSettings): Sampler {
  const roots: Record<string, () => Sampler> = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(sampledRatio),
  }
  const root = (roots[sampler.replace('parentbased_', '')] ?? (() => new AlwaysOnSampler()))()
  return sampler.startsWith('parentbased_') ? new ParentBasedSampler({ root }) : root
}

/** The exporter, whose trouble is told when it begins and when it is over, not for each batch. */
class WatchedExporter implements SpanExporter {
  readonly #exporter: SpanExporter
  readonly #log: Logger
  #isFailing = false

  constructor(exporter: SpanExporter, log: Logger) {
    this.#exporter = exporter
    this.#log = log
  }

  export(spans: ReadableSpan[], done: Parameters<SpanExporter['export']>[1]): void {
    this.#exporter.export(spans, (result) => {
      const hasFailed = result.error !== undefined
      if (hasFailed && !this.#isFailing) {
        // Not the whole error: it has the collector's answer, and what was sent.
        const { name, message } = result.error ?? { name: '', message: '' }
        const code = codeOf(result.error)
        this.#log.warn(
          { name, reason: message, code },
          'traces can not be sent, and are dropped; look at OTEL_EXPORTER_OTLP_ENDPOINT and at the collector',
        )
      }
      if (!hasFailed && this.#isFailing) this.#log.info('traces are sent again')
      this.#isFailing = hasFailed
      done(result)
    })
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown()
  }

  async forceFlush(): Promise<void> {
    await this.#exporter.forceFlush?.()
  }
}

function codeOf(error: Error | undefined): unknown {
  return error !== undefined && 'code' in error ? error.code : undefined
}

/** A stop doesn't wait for a collector. */
async function withinLimit(closing: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, EXPORT_MS)
  })
  await Promise.race([closing.catch(() => {}), limit])
  clearTimeout(timer)
}
