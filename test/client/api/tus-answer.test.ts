import { describe, expect, test } from '@jest/globals'
import { ForeignAnswer } from '../../../client/api/errors.js'
import { bytesOf, encodeMetadata, tusErrorOf, uploadUrlOf } from '../../../client/api/tus-answer.js'

function refusal(status: number, body: string, headers: Record<string, string> = {}) {
  return tusErrorOf({ status, body, header: (name) => headers[name] ?? null })
}

const TUS = { 'tus-resumable': '1.0.0' }

describe('what a tus server answers', () => {
  test("our own problems are read as they are, and so is another server's plain text", () => {
    const problem = JSON.stringify({ code: 'QUOTA_EXCEEDED', detail: 'Make room.', request_id: 'r' })
    expect(refusal(403, problem, TUS)).toMatchObject({ code: 'QUOTA_EXCEEDED', message: 'Make room.' })
    expect(refusal(413, 'Maximum size exceeded\n', TUS)).toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
      status: 413,
    })
    expect(refusal(404, 'The file for this url was not found\n', TUS)).toMatchObject({
      name: 'NotFound',
      message: 'The server says: The file for this url was not found',
    })
    expect(refusal(460, 'Checksum mismatch', TUS)).toMatchObject({ name: 'ChecksumMismatch' })
    expect(refusal(418, 'No coffee', TUS)).toMatchObject({ code: 'REFUSED', status: 418 })
    expect(refusal(418, '', TUS)).toMatchObject({ message: 'The server refuses, with status 418.' })
  })

  test.each([404, 410])('a bare %i of a proxy says nothing of the upload', (status) => {
    expect(refusal(status, '')).toBeInstanceOf(ForeignAnswer)
    expect(refusal(status, '404 page not found')).toBeInstanceOf(ForeignAnswer)
    expect(refusal(status, '', TUS)).not.toBeInstanceOf(ForeignAnswer)
    expect(refusal(status, '', { 'x-request-id': 'r' })).not.toBeInstanceOf(ForeignAnswer)
  })

  test('a redirect says where to', () => {
    const error = refusal(302, '', { location: 'https://portal.example.org/' })
    expect(error).toBeInstanceOf(ForeignAnswer)
    expect(error.message).toContain('https://portal.example.org/')
  })
})

describe('where an upload is', () => {
  const own = 'http://127.0.0.1:8080/uploads'

  test('is where the server says', () => {
    expect(uploadUrlOf('/uploads/a1', own, true)).toBe(`${own}/a1`)
    expect(uploadUrlOf('http://127.0.0.1:8080/files/a1', own, true)).toBe('http://127.0.0.1:8080/files/a1')
    expect(uploadUrlOf('https://cdn.example.org/b/a1?x=1', 'https://tus.example.org/files', false)).toBe(
      'https://cdn.example.org/b/a1?x=1',
    )
  })

  test("is where we reach our own server, when that goes by another name than its PUBLIC_URL's", () => {
    expect(uploadUrlOf('https://staging.example.org/uploads/a1', own, true)).toBe(`${own}/a1`)
    expect(uploadUrlOf('https://x.org/uploads/a1', 'http://localhost:1/base/uploads', true)).toBe(
      'http://localhost:1/base/uploads/a1',
    )
  })
})

test('metadata goes in base64 of its UTF-8, an empty value as its key', () => {
  expect(encodeMetadata({ filename: 'Gewässer 湖.csv', note: '' })).toBe(
    `filename ${Buffer.from('Gewässer 湖.csv').toString('base64')},note`,
  )
  expect(encodeMetadata({})).toBe('')
})

test('only whole numbers are offsets', () => {
  expect(['0', '17', '9007199254740991'].map(bytesOf)).toEqual([0, 17, Number.MAX_SAFE_INTEGER])
  expect(['', '-1', '1.5', '0x10', '1e3', ' 1', null, undefined].map(bytesOf)).toEqual(Array(8).fill(null))
})
