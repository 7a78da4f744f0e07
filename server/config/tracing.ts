// How requests are traced: OpenTelemetry's own settings, by the names and in the words of its specification. Pure.

export const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const

export type SamplerName = (typeof SAMPLERS)[number]

export interface TracingSettings {
  /** Where spans are sent: `http://localhost:4318/v1/traces`. */
  url: string
  headers: Readonly<Record<string, string>>
  serviceName: string
  sampler: SamplerName
  /** 0 to 1; what samplers without a ratio don't look at. */
  sampledRatio: number
}

/** The settings that it is made of. */
export interface TracingFields {
  otelDisabled: boolean
  /** The collector's, to which `/v1/traces` is added. Undefined, as the next one: none. */
  otlpEndpoint: string | undefined
  /** The whole URL for traces. */
  otlpTracesEndpoint: string | undefined
  otlpHeaders: Readonly<Record<string, string>> | undefined
  otelServiceName: string
  tracesSampler: SamplerName
  tracesSampledRatio: number
}

/** Null: nothing is traced. */
export function tracingOf(fields: TracingFields): TracingSettings | null {
  const { otlpEndpoint, otlpTracesEndpoint } = fields
  const url =
    otlpTracesEndpoint ??
    // OpenTelemetry Protocol Exporter, "Endpoint URLs for OTLP/HTTP": relative to the base, as it stands.
    (otlpEndpoint === undefined ? undefined : `${otlpEndpoint.replace(/\/$/, '')}/v1/traces`)
  if (url === undefined || fields.otelDisabled) return null
  return {
    url,
    headers: fields.otlpHeaders ?? {},
    serviceName: fields.otelServiceName,
    sampler: fields.tracesSampler,
    sampledRatio: fields.tracesSampledRatio,
  }
}

/** An http or https URL without password and query. */
export function otlpUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const { protocol, username, password, search, hash, href } = new URL(text)
  const isBare = username === '' && password === '' && search === '' && hash === ''
  return isBare && /^https?:$/.test(protocol) ? href : undefined
}

/** `name=value`, separated by commas; values may be percent-encoded, as in W3C Baggage. */
export function otlpHeaders(text: string): Record<string, string> | undefined {
  const pairs = text
    .split(',')
    .map((pair) => /^\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*([\x21-\x7e ]*?)\s*$/.exec(pair))
  const headers: Record<string, string> = {}
  for (const pair of pairs) {
    const [, name = '', value = ''] = pair ?? []
    if (name === '') return undefined
    try {
      headers[name] = decodeURIComponent(value)
    } catch {
      return undefined
    }
  }
  return headers
}

/** A number from 0 to 1. */
export function ratio(text: string): number | undefined {
  if (!/^(?:0|1|0?\.\d{1,9}|[01]\.\d{1,9})$/.test(text)) return undefined
  const value = Number(text)
  return value <= 1 ? value : undefined
}
