// What the routes of health and of documentation answer. Pure.

import { z } from 'zod'
import type { Operation } from '../http/operation.js'

const tag = 'Operation'

export const healthAnswer = z.object({ status: z.literal('ok') })

export const readinessAnswer = z.object({ status: z.literal('ready') })

export const degradedAnswer = z.object({ status: z.literal('degraded'), reason: z.string() })

const healthOperations: readonly Operation[] = [
  {
    method: 'get',
    path: '/healthz',
    id: 'getHealth',
    tag,
    summary: 'Is the process alive?',
    scope: null,
    answers: { 200: { description: 'It is.', content: { 'application/json': healthAnswer } } },
    problems: [],
  },
  {
    method: 'get',
    path: '/readyz',
    id: 'getReadiness',
    tag,
    summary: 'May it be given work?',
    scope: null,
    answers: {
      200: { description: 'It may.', content: { 'application/json': readinessAnswer } },
      503: {
        description: 'Not now: the database, the store or the free space, or it is stopping.',
        content: { 'application/json': degradedAnswer },
      },
    },
    problems: [],
  },
]

const documentationOperations: readonly Operation[] = [
  {
    method: 'get',
    path: '/openapi.json',
    id: 'getOpenApi',
    tag,
    summary: 'This description',
    scope: null,
    headers: z.object({ 'if-none-match': z.string().optional() }),
    answers: {
      200: {
        description: 'OpenAPI 3.1.',
        headers: { ETag: 'Changes with the description.' },
        content: { 'application/json': z.looseObject({ openapi: z.literal('3.1.0') }) },
      },
      304: { description: 'It is the one that you know.', headers: { ETag: 'As above.' } },
    },
    problems: [],
  },
  {
    method: 'get',
    path: '/docs',
    id: 'getDocumentation',
    tag,
    summary: 'This description as a page, to read and to try',
    scope: null,
    answers: { 200: { description: 'The page.', content: { 'text/html': z.string() } } },
    problems: [],
  },
]

export const opsOperations: readonly Operation[] = [...healthOperations, ...documentationOperations]
