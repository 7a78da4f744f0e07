// Tracing, if it was asked for. Without it nothing of OpenTelemetry's SDK is loaded.

import type { Logger } from 'pino'
import type { TracingSettings } from '../config/tracing.js'

export interface Tracing {
  /** Sends what is left, for a few seconds at most; never rejects. */
  close(): Promise<void>
}

/** @param settings null: no tracing */
export async function openTracing(settings: TracingSettings | null, log: Logger): Promise<Tracing> {
  if (settings === null) return { close: async () => {} }
  const { startSdk } = await import('./sdk.js')
  return startSdk(settings, log)
}
