// A real Prometheus on a real server, with the very files of docs/monitoring: it takes the scrape, the rules and every
// expression of the dashboard, and an alert comes when the server is gone.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { parse, stringify } from 'yaml'
import { RestClient } from '../dialects/rest-client.js'
import { readProjectFile, shellBlocksOf } from '../docs/shell-blocks.js'
import { METRICS_TOKEN } from '../support/metrics-text.js'
import { describePrometheus, type Prometheus, run, startPrometheus } from '../support/prometheus.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import { dashboardExpressions } from './dashboard.js'

/** Panels that have something to show of any server that was given files; the others wait for trouble, S3 or webhooks. */
const ALWAYS_FULL = [
  'Instances that answer',
  'Database',
  'Bugs in the last hour',
  'Unavailable in the last hour',
  'Room on the disk',
  'Runs',
  'Requests',
  'Bytes in and out',
  'Under way',
  'Uploads finished',
  'Answers',
  'Event loop, p99',
  'Buffers',
  'Digest threads',
  'Digested',
  'Database connections',
  'Leases',
  'Uploads',
  'Stored',
  'Finishing and deleting late',
  'Sweeps',
  'What sweeps did',
  'Read again',
  'Processor',
  'Memory',
  'Files and collections',
]

/** The example for operators, at this server, and as quick as a test wants it. */
function configurationFor(server: TestServer): string {
  const config = parse(readProjectFile('docs/monitoring/prometheus.yml'))
  const [scrape] = config.scrape_configs
  expect(scrape.authorization.credentials_file).toMatch(/^\//)
  config.global = { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' }
  scrape.static_configs[0].targets = [new URL(server.url).host]
  scrape.authorization.credentials_file = 'token'
  return stringify(config)
}

/** The rules, without the patience that they have. */
function rulesAtOnce(): string {
  const rules = parse(readProjectFile('docs/monitoring/alerts.yml'))
  for (const { rules: alerts } of rules.groups) for (const alert of alerts) delete alert.for
  return stringify(rules)
}

describePrometheus('a real Prometheus', () => {
  let server: TestServer
  let prometheus: Prometheus

  beforeAll(async () => {
    server = await startServer({ env: { METRICS_TOKEN, SWEEP_CRON: '* * * * * *', MIN_FREE_BYTES: '0' } })
    prometheus = await startPrometheus({
      'prometheus.yml': configurationFor(server),
      'alerts.yml': rulesAtOnce(),
      token: METRICS_TOKEN,
    })
  })

  afterAll(async () => {
    await prometheus?.stop()
    await server?.dispose()
  })

  test('the commands of docs/monitoring.md say that scrape and rules are as they should be', async () => {
    const commands = shellBlocksOf('docs/monitoring.md').map(({ code }) => code)
    expect(commands).toHaveLength(2)
    const root = new URL('../../../', import.meta.url).pathname
    const said = []
    for (const command of commands) {
      const environment = `METRICS_TOKEN=${METRICS_TOKEN} ANTIPASTO=${server.url}`
      said.push(await run('bash', ['-ec', `set -o pipefail; cd ${root}; export ${environment}; ${command}`]))
    }
    // `check metrics` says nothing when all is well.
    expect(said[0]).toBe('')
    expect(said[1]).toMatch(/SUCCESS: \d+ rules found/)
  })

  test('every expression of the dashboard is answered, and those that must have data have it', async () => {
    const client = new RestClient(server)
    const upload = (bytes: number) =>
      client.send('POST', '/files?filename=a.bin', { 'Content-Type': 'text/csv' }, Buffer.alloc(bytes))
    for (let scrapes = 0; scrapes < 3; scrapes++) {
      expect((await upload(1000)).status).toBe(201)
      expect((await upload(1_000_000)).status).toBe(201)
      await sleep(1000)
    }
    const isFilled = async (expr: string) => (await prometheus.query(expr)).length > 0
    const expressions = dashboardExpressions()
    const empty = new Set<string>()
    for (const { panel, expr } of expressions) {
      if (ALWAYS_FULL.includes(panel)) await until(() => isFilled(expr)).catch(() => empty.add(expr))
      else await prometheus.query(expr)
    }
    expect([...empty]).toEqual([])
    const panels = new Set(expressions.map(({ panel }) => panel))
    expect(ALWAYS_FULL.filter((panel) => !panels.has(panel))).toEqual([])
  })

  test('what it keeps is what was done', async () => {
    const [files] = await prometheus.query(
      'sum(antipasto_http_requests_total{job="antipasto",operation="createFile",status="201"})',
    )
    expect(files?.value[1]).toBe('6')
    const [ready] = await prometheus.query('max(antipasto_uploads{job="antipasto",state="ready"})')
    expect(Number(ready?.value[1])).toBeGreaterThan(0)
  })

  test('all is quiet, and an alert comes when the server is gone, and goes when it is back', async () => {
    // Of room and of the pace at which it goes, the machine of a test says nothing.
    const firing = async () => (await prometheus.firing()).filter((name) => !name.startsWith('AntipastoDisk'))
    await until(async () => (await firing()).length === 0)
    await server.kill()
    await until(async () => (await firing()).includes('AntipastoDown'))
    await server.restart()
    await until(async () => !(await firing()).includes('AntipastoDown'))
  })
})
