import { expect, test } from '@jest/globals'
import express from 'express'
import request from 'supertest'
import { requestId } from '../../server/ops/request-id.js'

const app = express()
app.use(requestId, (req, res) => {
  res.json({ id: req.requestId })
})

test.each(['12345678', 'a.b-c_D.9', 'x'.repeat(64)])(
  'The well-formed id %s is taken and echoed',
  async (id) => {
    const answer = await request(app).get('/').set('X-Request-ID', id)
    expect(answer.headers['x-request-id']).toBe(id)
    expect(answer.body.id).toBe(id)
  },
)

test.each([
  undefined,
  'short',
  'x'.repeat(65),
  'has spaces in it',
  '{"evil":true}',
  '<script>alert',
  'ünïcödé1',
])('For %j an id is made, another one each time', async (id) => {
  const send = () => {
    const get = request(app).get('/')
    return id === undefined ? get : get.set('X-Request-ID', Buffer.from(id).toString('latin1'))
  }
  const [first, second] = [await send(), await send()]
  expect(first.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
  expect(first.body.id).toBe(first.headers['x-request-id'])
  expect(second.body.id).not.toBe(first.body.id)
})
