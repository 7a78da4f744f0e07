import { describe, expect, test } from '@jest/globals'
import { tracingOf } from '../../server/config/tracing.js'
import { ConfigError, readConfig } from '../../server/config.js'

const tracingIn = (environment: Record<string, string>) => tracingOf(readConfig(environment))

describe('Tracing', () => {
  test('is off by default', () => {
    expect(tracingIn({})).toBeNull()
    expect(tracingIn({ OTEL_SERVICE_NAME: 'antipasto', OTEL_TRACES_SAMPLER: 'always_on' })).toBeNull()
  })

  test('is on with a collector, to whose URL the path of traces is added', () => {
    expect(tracingIn({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318' })).toEqual({
      url: 'http://localhost:4318/v1/traces',
      headers: {},
      serviceName: 'antipasto',
      sampler: 'parentbased_always_on',
      sampledRatio: 1,
    })
    expect(tracingIn({ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://otel.example.org/eu/' })?.url).toBe(
      'https://otel.example.org/eu/v1/traces',
    )
  })

  test("has an endpoint of its own that is taken as it is, and wins over everybody's", () => {
    const environment = {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://traces.example.org/otlp',
    }
    expect(tracingIn(environment)?.url).toBe('http://traces.example.org/otlp')
  })

  test('is off where OTEL_SDK_DISABLED says so', () => {
    const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318', OTEL_SDK_DISABLED: 'true' }
    expect(tracingIn(environment)).toBeNull()
  })

  test('takes headers as W3C Baggage writes them', () => {
    const environment = {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20abc%3D, x-team=data',
    }
    expect(tracingIn(environment)?.headers).toEqual({ authorization: 'Bearer abc=', 'x-team': 'data' })
  })

  test.each([
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'localhost:4318'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'https://user:secret-word@otel.example.org'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'secret-word'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'key=secret-word%'],
    ['OTEL_TRACES_SAMPLER', 'jaeger_remote'],
    ['OTEL_TRACES_SAMPLER_ARG', '1.5'],
    ['OTEL_TRACES_SAMPLER_ARG', '10%'],
  ])('is refused at the start with %s=%s, without the secret', (name, value) => {
    let told = ''
    try {
      readConfig({ [name]: value })
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      told = error.problems.join('\n')
    }
    expect(told).toContain(name)
    expect(told).toContain('Allowed: ')
    expect(told).not.toContain('secret-word')
  })
})
