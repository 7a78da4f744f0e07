// What tracing costs whoever doesn't want it.

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { startServer } from '../support/server.js'
import { startCollector } from './collector.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'antipasto-modules-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** The packages of OpenTelemetry that a server has loaded in its life. */
async function loadedBy(env: Readonly<Record<string, string>>): Promise<string[]> {
  const told = path.join(folder, 'modules')
  const teller = new URL('tell-modules.js', import.meta.url).href
  const server = await startServer({
    env: { ...env, NODE_OPTIONS: `--import ${teller}`, TOLD_MODULES: told },
  })
  try {
    expect(await server.stop()).toBe(0)
  } finally {
    await server.dispose()
  }
  const modules = (await readFile(told, 'utf8')).split('\n')
  expect(modules.length).toBeGreaterThan(100)
  const packages = modules.map((file) => /.*node_modules\/@opentelemetry\/([\w-]+)/.exec(file)?.[1])
  return [...new Set(packages.filter((name) => name !== undefined))].sort()
}

test('Nothing of the SDK is loaded unless a collector is named', async () => {
  expect(await loadedBy({})).toEqual(['api'])
})

test('Nothing of the SDK is loaded where OTEL_SDK_DISABLED says so', async () => {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_SDK_DISABLED: 'true' }
  expect(await loadedBy(env)).toEqual(['api'])
})

test('The SDK is loaded with a collector', async () => {
  const collector = await startCollector()
  try {
    const loaded = await loadedBy({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url })
    expect(loaded).toEqual(expect.arrayContaining(['exporter-trace-otlp-http', 'sdk-trace-node']))
  } finally {
    await collector.close()
  }
})
