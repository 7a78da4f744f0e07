// Who may read the metrics, and where.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import express from 'express'
import request from 'supertest'
import { metricsRoutes } from '../../server/metrics/routes.js'
import { createLog } from '../../server/ops/log.js'
import { problemHandler } from '../../server/problem.js'
import { ask } from '../dialects/exchange.js'
import { METRICS_TOKEN } from '../support/metrics-text.js'
import { startServer, type TestServer } from '../support/server.js'

function appWith(metricsToken: string | undefined): express.Express {
  const metrics = {
    text: async () => 'a_metric 1\n',
    contentType: 'text/plain; version=0.0.4; charset=utf-8' as const,
  }
  const app = express()
  app.use(metricsRoutes({ metrics: metricsToken === undefined ? undefined : metrics, metricsToken }))
  app.use(problemHandler(createLog({ level: 'silent' })))
  return app
}

test('without METRICS_TOKEN there are none, and it is said how to have them', async () => {
  const answer = await request(appWith(undefined)).get('/metrics').set('Authorization', 'Bearer undefined')
  expect(answer.status).toBe(404)
  expect(answer.body.detail).toContain('Set METRICS_TOKEN')
})

test.each([
  ['nothing', undefined],
  ['another token', 'Bearer metrics-token-of-the-testS'],
  ['the beginning of it', 'Bearer metrics-token'],
  ['the token in another scheme', `Basic ${METRICS_TOKEN}`],
  ['the token and more', `Bearer ${METRICS_TOKEN} x`],
])('with %s for the token it is 401', async (_, authorization) => {
  const asked = request(appWith(METRICS_TOKEN)).get('/metrics')
  const answer = await (authorization === undefined ? asked : asked.set('Authorization', authorization))
  expect(answer.status).toBe(401)
  expect(answer.body.code).toBe('UNAUTHORIZED')
  expect(answer.text).not.toContain(METRICS_TOKEN)
})

test('with the token they are text, which nobody keeps', async () => {
  const answer = await request(appWith(METRICS_TOKEN))
    .get('/metrics')
    .set('Authorization', `bearer ${METRICS_TOKEN}`)
  expect({ status: answer.status, text: answer.text }).toEqual({ status: 200, text: 'a_metric 1\n' })
  expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(answer.headers['cache-control']).toBe('no-store')
})

describe('of a real server', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer({
      env: {
        METRICS_TOKEN,
        LOG_LEVEL: 'info',
        RETRIEVAL_URL: 'http://files.example.org',
        RATE_LIMIT_ADDRESS: '20/1h',
      },
    })
  })
  afterAll(async () => server?.dispose())

  const authorization = { Authorization: `Bearer ${METRICS_TOKEN}` }
  const read = (headers: Record<string, string>) =>
    ask(server.url, { method: 'GET', path: '/metrics', headers })

  test('the token opens nothing else, and no key opens them', async () => {
    const elsewhere = await ask(server.url, { method: 'GET', path: '/uploads', headers: authorization })
    expect(elsewhere.status).toBe(401)
    expect((await read({ 'X-API-Key': server.key })).status).toBe(401)
    expect((await read({ Authorization: `Bearer ${server.key}` })).status).toBe(401)
  })

  test('they are not to be had on the host of retrieval URLs', async () => {
    expect((await read({ ...authorization, Host: 'files.example.org' })).status).toBe(404)
    expect((await read(authorization)).status).toBe(200)
  })

  test('no rate limit and no line of the log is spent on a scrape, and the token is not told', async () => {
    for (let scrapes = 0; scrapes < 25; scrapes++) expect((await read(authorization)).status).toBe(200)
    expect(server.logs()).not.toContain(METRICS_TOKEN)
    const told = server
      .logs()
      .split('\n')
      .filter((line) => line.includes('"path":"/metrics"'))
    expect(told.length).toBeGreaterThan(0)
    expect(told.filter((line) => line.includes('"status":200'))).toEqual([])
  })
})
