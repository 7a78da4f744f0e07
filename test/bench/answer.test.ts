import { describe, expect, test } from '@jest/globals'
import { parseAnswer } from './answer.js'

const fixed = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Name: a: b\r\n\r\nhello'
const chunked =
  'HTTP/1.1 201 \r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA\r\n, 10 bytes\r\n0\r\n\r\n'
const empty = 'HTTP/1.1 204 No Content\r\n\r\n'

describe.each([
  ['with a length', fixed, 200, 'hello'],
  ['in chunks', chunked, 201, 'hello, 10 bytes'],
  ['without a body', empty, 204, ''],
])('an answer %s', (_title, text, status, body) => {
  test('is read whole, and what follows is left', () => {
    const parsed = parseAnswer(Buffer.from(`${text}HTTP/1.1`))
    expect(parsed?.answer.status).toBe(status)
    expect(parsed?.answer.body.toString()).toBe(body)
    expect(parsed?.lengthBytes).toBe(text.length)
  })

  test('is awaited while any byte is missing', () => {
    for (let length = 0; length < text.length; length++) {
      expect(parseAnswer(Buffer.from(text.slice(0, length)))).toBeUndefined()
    }
  })
})

test('a field may hold a colon', () => {
  expect(parseAnswer(Buffer.from(fixed))?.answer.headers.get('x-name')).toBe('a: b')
})

test('what is no HTTP is refused', () => {
  expect(() => parseAnswer(Buffer.from('SSH-2.0-x\r\n\r\n'))).toThrow('Not an HTTP answer')
})

test('a body of unknown length is refused', () => {
  expect(() => parseAnswer(Buffer.from('HTTP/1.1 200 OK\r\n\r\n'))).toThrow('no Content-Length')
})
