import { expect } from '@jest/globals'
import type { ErrorCode } from '../../server/errors.js'
import type { Problem } from '../../server/problem.js'
import type { Answer } from './exchange.js'

/** Asserts that `answer` is problem+json as documented, and tells nothing of the inside. */
export function expectProblem(answer: Answer, status: number, code: ErrorCode): Problem {
  const text = answer.body.toString()
  expect({ status: answer.status, text }).toEqual({ status, text: expect.stringContaining(`"${code}"`) })
  expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/)
  expect(Number(answer.headers['content-length'])).toBe(answer.body.byteLength)
  const problem: Problem = JSON.parse(text)
  expect(problem).toMatchObject({
    type: expect.stringMatching(/^urn:antipasto:problem:/),
    title: expect.stringMatching(/./),
    status,
    detail: expect.stringMatching(/./),
    instance: expect.any(String),
    code,
    request_id: expect.stringMatching(/./),
    details: expect.any(Object),
  })
  expect(answer.headers['x-request-id']).toBe(problem.request_id)
  // A stack, a file of ours, a table's name: nothing for the outside.
  expect(text).not.toMatch(
    /\bat \S+ \(|node_modules|\.[jt]s:\d|\/tmp\/|\/dist\/|prisma|postgres|SELECT|lease_/i,
  )
  return problem
}
