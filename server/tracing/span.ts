// Where the code says what it is doing. Without tracing this is a call of the function, and nothing else: the SDK, which
// sdk.ts starts, isn't even loaded.

import {
  type Attributes,
  type Context,
  context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'

/** Undefined while tracing is off. */
let tracer: Tracer | undefined

/** Whoever starts tracing, and ends it, says so here. */
export function traceWith(started: Tracer | undefined): void {
  tracer = started
}

export interface TracedOptions {
  /** Work that nobody asked for: it begins a trace of its own. */
  isRoot?: boolean
  kind?: SpanKind
}

/**
 * Does `run` as a span of its own, within whatever is going on, and settles as it does. A failure is told by its code, never in
 * words: they may name what belongs to somebody.
 *
 * @param attributes no bytes of users, no secrets, no names of people
 * @param run gets the span, to say what turns out; null while tracing is off
 */
export function traced<T>(
  name: string,
  attributes: Attributes,
  run: (span: Span | null) => Promise<T>,
  { isRoot = false, kind = SpanKind.INTERNAL }: TracedOptions = {},
): Promise<T> {
  if (tracer === undefined) return run(null)
  const options = { attributes, kind, root: isRoot }
  return tracer.startActiveSpan(name, options, async (span) => {
    try {
      return await run(span)
    } catch (error) {
      tellFailure(span, errorTypeOf(error))
      throw error
    } finally {
      span.end()
    }
  })
}

/**
 * What does later as if it were here: bytes that come with a socket's events, or that another upload's need sets moving, don't
 * know whose they are.
 */
export function fromHere(): <T>(run: () => T) => T {
  if (tracer === undefined) return (run) => run()
  const here = context.active()
  return (run) => context.with(here, run)
}

/** What a span says of the upload that it is about. */
export function aboutUpload(uploadId: string): { 'antipasto.upload.id': string } {
  return { 'antipasto.upload.id': uploadId }
}

/** For a line of the log; nothing outside of a trace, and while tracing is off. */
export function traceIds(): { trace_id?: string; span_id?: string } {
  if (tracer === undefined) return {}
  const here = trace.getSpanContext(context.active())
  return here === undefined ? {} : { trace_id: here.traceId, span_id: here.spanId }
}

/** Begins the span of a request that came from outside. Undefined while tracing is off. */
export function beginSpan(
  name: string,
  attributes: Attributes,
  caller: Context = ROOT_CONTEXT,
): Span | undefined {
  return tracer?.startSpan(name, { attributes, kind: SpanKind.SERVER }, caller)
}

export function tellFailure(span: Span, errorType: string): void {
  span.setAttribute('error.type', errorType)
  span.setStatus({ code: SpanStatusCode.ERROR })
}

/** One word of a closed set: our codes, Node's, the database's, else the class. */
export function errorTypeOf(error: unknown): string {
  if (!(typeof error === 'object' && error !== null)) return typeof error
  if ('code' in error && typeof error.code === 'string' && /^[A-Z0-9_]{2,40}$/.test(error.code))
    return error.code
  return 'name' in error && typeof error.name === 'string' && /^\w{1,60}$/.test(error.name)
    ? error.name
    : '_OTHER'
}
