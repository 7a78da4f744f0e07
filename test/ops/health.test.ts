import { performance } from 'node:perf_hooks'
import { expect, test } from '@jest/globals'
import express from 'express'
import request from 'supertest'
import { AppError } from '../../server/errors.js'
import { type HealthCheck, healthRoutes } from '../../server/ops/health.js'
import { createLog } from '../../server/ops/log.js'

const isWell: HealthCheck = async () => {}

function appWith(checks: Record<string, HealthCheck>, isStopping = () => false): express.Express {
  return express().use(healthRoutes({ checks, isStopping, log: createLog({ level: 'silent' }) }))
}

test('The process is alive whatever its checks say', async () => {
  const app = appWith({
    database: async () => {
      throw new Error('gone')
    },
  })
  const answer = await request(app).get('/healthz')
  expect(answer.status).toBe(200)
  expect(answer.body).toEqual({ status: 'ok' })
})

test('It is ready when every check is well', async () => {
  const answer = await request(appWith({ database: isWell, store: isWell })).get('/readyz')
  expect(answer.status).toBe(200)
  expect(answer.body).toEqual({ status: 'ready' })
  expect(answer.headers['cache-control']).toBe('no-store')
})

test('It is degraded when checks fail; each is named, and only what is meant to be shown is told', async () => {
  const app = appWith({
    database: async () => {
      throw new AppError('UNAVAILABLE', 'The database does not answer.')
    },
    store: isWell,
    'free space': async () => {
      throw new Error('secret path /srv/data')
    },
  })
  const answer = await request(app).get('/readyz')
  expect(answer.status).toBe(503)
  expect(answer.body).toEqual({
    status: 'degraded',
    reason: 'database: The database does not answer.; free space: the check failed',
  })
})

test('A check that throws at once or hangs is a failed check, after 2 seconds at most', async () => {
  const app = appWith({
    database: () => new Promise(() => {}),
    store: () => {
      throw new Error('at once')
    },
  })
  const startedAtMs = performance.now()
  const answer = await request(app).get('/readyz')
  expect(performance.now() - startedAtMs).toBeLessThan(4_000)
  expect(answer.body.reason).toBe('database: no answer within 2 s; store: the check failed')
})

test('A server that stops is alive but not ready, and asks nobody', async () => {
  let asked = 0
  let stopping = false
  const check = async () => {
    asked++
  }
  const app = appWith({ database: check }, () => stopping)
  expect((await request(app).get('/readyz')).status).toBe(200)
  stopping = true
  const answer = await request(app).get('/readyz')
  expect(answer.status).toBe(503)
  expect(answer.body).toEqual({ status: 'degraded', reason: 'the server is stopping' })
  expect((await request(app).get('/healthz')).status).toBe(200)
  expect(asked).toBe(1)
})

test('Many questions at once cost one round of checks, and the next one asks again', async () => {
  let asked = 0
  const slow = async () => {
    asked++
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  const server = appWith({ database: slow }).listen(0)
  try {
    await Promise.all(Array.from({ length: 10 }, () => request(server).get('/readyz')))
    expect(asked).toBe(1)
    await request(server).get('/readyz')
    expect(asked).toBe(2)
  } finally {
    server.close()
  }
})
