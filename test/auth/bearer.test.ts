import { describe, expect, test } from '@jest/globals'
import express from 'express'
import request from 'supertest'
import { authenticate, identityOf, requireScope } from '../../server/auth/bearer.js'
import type { Identity } from '../../server/auth/identity.js'
import { expiredToken } from '../../server/auth/jwt.js'
import { AppError } from '../../server/errors.js'
import { createLog } from '../../server/ops/log.js'
import { requestId } from '../../server/ops/request-id.js'
import { problemHandler } from '../../server/problem.js'

const uploader: Identity = { owner: 'lter-ntl', scopes: new Set(['upload', 'read']), keyId: 'k1' }

async function identify(credential: string): Promise<Identity | undefined> {
  if (credential === 'database-away') throw new AppError('UNAVAILABLE', 'Try again.')
  if (credential === 'expired') throw expiredToken()
  if (credential === 'no-scopes') return { owner: 'lter-ntl', scopes: new Set() }
  if (credential === 'bug') throw new TypeError('secret')
  return credential === 'good-key' ? uploader : undefined
}

function appWith({ anonRead = false } = {}): express.Express {
  const app = express()
  app.use(requestId, authenticate({ identify, anonRead }))
  app.delete('/uploads/:id', requireScope('delete'), (_req, res) => {
    res.sendStatus(204)
  })
  app.all('/uploads', requireScope('read'), (req, res) => {
    const { owner, keyId } = identityOf(req)
    res.json({ owner, keyId })
  })
  app.use(problemHandler(createLog({ level: 'silent' })))
  return app
}

describe('authenticate', () => {
  test.each([
    { Authorization: 'Bearer good-key' },
    { Authorization: 'bearer good-key' },
    { 'X-API-Key': 'good-key' },
    { 'X-API-Key': 'good-key', Authorization: 'Basic dTpw' },
  ])('%j is let in as its owner', async (headers) => {
    const answer = await request(appWith()).get('/uploads').set(headers)
    expect(answer.status).toBe(200)
    expect(answer.body).toEqual({ owner: 'lter-ntl', keyId: 'k1' })
  })

  test.each([{}, { Authorization: 'Basic dTpw' }])(
    '%j is missing a credential, and told how to send one',
    async (headers) => {
      const answer = await request(appWith()).get('/uploads').set(headers)
      expect(answer.status).toBe(401)
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="antipasto"')
      expect(answer.body.code).toBe('UNAUTHORIZED')
      expect(answer.body.detail).toContain('Authorization: Bearer <key>')
    },
  )

  test.each([{ Authorization: 'Bearer bad-key' }, { 'X-API-Key': 'bad-key' }])(
    '%j is an invalid token',
    async (headers) => {
      const answer = await request(appWith()).get('/uploads').set(headers)
      expect(answer.status).toBe(401)
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="antipasto", error="invalid_token"')
      expect(answer.body.code).toBe('UNAUTHORIZED')
      expect(answer.text).not.toContain('bad-key')
    },
  )

  test.each([{ Authorization: 'Bearer' }, { Authorization: 'Bearer a b' }, { 'X-API-Key': 'a b' }])(
    '%j is malformed: 400',
    async (headers) => {
      const answer = await request(appWith()).get('/uploads').set(headers)
      expect(answer.body).toMatchObject({ status: 400, code: 'INVALID_INPUT' })
    },
  )

  test('A good key in the query is refused, alone and with a header', async () => {
    for (const path of ['/uploads?access_token=good-key', '/uploads?access%5Ftoken=good-key']) {
      expect((await request(appWith()).get(path)).body.code).toBe('INVALID_INPUT')
      const withHeader = await request(appWith()).get(path).set('X-API-Key', 'good-key')
      expect(withHeader.body.code).toBe('INVALID_INPUT')
      expect(withHeader.text).not.toContain('good-key')
    }
  })

  test('A good key in the body lets nobody in', async () => {
    for (const type of ['form', 'json']) {
      const answer = await request(appWith()).post('/uploads').type(type).send({ access_token: 'good-key' })
      expect(answer.status).toBe(401)
    }
  })

  test.each([{ Authorization: 'Bearer database-away' }, { 'X-API-Key': 'database-away' }])(
    '%j: while a key cannot be checked the answer is 503, not 401',
    async (headers) => {
      const answer = await request(appWith()).get('/uploads').set(headers)
      expect(answer.body).toMatchObject({ status: 503, code: 'UNAVAILABLE' })
      expect(answer.headers['www-authenticate']).toBeUndefined()
    },
  )

  test.each([{ Authorization: 'Bearer expired' }, { 'X-API-Key': 'expired' }])(
    '%j: what has expired says so, and what to do next',
    async (headers) => {
      const answer = await request(appWith()).get('/uploads').set(headers)
      expect(answer.body).toMatchObject({ status: 401, code: 'UNAUTHORIZED' })
      expect(answer.body.detail).toBe(
        'Your token has expired. Sign in again, then go on: HEAD tells the offset.',
      )
      expect(answer.headers['www-authenticate']).toBe(
        'Bearer realm="antipasto", error="invalid_token", error_description="The token has expired"',
      )
    },
  )

  test('A good key in a cookie lets nobody in: another site could make a browser send it', async () => {
    for (const name of ['edi-token', 'Authorization', 'X-API-Key', 'access_token']) {
      const answer = await request(appWith()).get('/uploads').set('Cookie', `${name}=good-key`)
      expect(answer.status).toBe(401)
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="antipasto"')
    }
  })

  test('A bug in the check is 500 and lets nobody in', async () => {
    const answer = await request(appWith()).get('/uploads').set('X-API-Key', 'bug')
    expect(answer.body).toMatchObject({ status: 500, code: 'INTERNAL' })
  })
})

describe('ANON_READ', () => {
  test('GET and HEAD need no credential, other methods do', async () => {
    const app = appWith({ anonRead: true })
    expect((await request(app).get('/uploads')).body).toEqual({ owner: 'anonymous' })
    expect((await request(app).head('/uploads')).status).toBe(200)
    expect((await request(app).post('/uploads')).status).toBe(401)
    expect((await request(app).delete('/uploads/1')).status).toBe(401)
  })

  test('A bad credential is refused all the same', async () => {
    expect(
      (
        await request(appWith({ anonRead: true }))
          .get('/uploads')
          .set('X-API-Key', 'bad-key')
      ).status,
    ).toBe(401)
  })
})

describe('requireScope', () => {
  test('A missing scope is 403 and named', async () => {
    const answer = await request(appWith()).delete('/uploads/1').set('X-API-Key', 'good-key')
    expect(answer.body).toMatchObject({
      status: 403,
      code: 'FORBIDDEN',
      details: { missing_scope: 'delete' },
    })
    expect(answer.headers['www-authenticate']).toContain('error="insufficient_scope", scope="delete"')
  })

  test('Who has no scope at all is known, and told what is missing', async () => {
    const answer = await request(appWith()).get('/uploads').set('X-API-Key', 'no-scopes')
    expect(answer.body).toMatchObject({ status: 403, code: 'FORBIDDEN', details: { missing_scope: 'read' } })
  })

  test('A route that forgot to authenticate is 500, never open', async () => {
    const app = express()
    app.get('/open', requireScope('read'), (_req, res) => {
      res.json({})
    })
    app.use(problemHandler(createLog({ level: 'silent' })))
    expect((await request(app).get('/open')).status).toBe(500)
  })
})
