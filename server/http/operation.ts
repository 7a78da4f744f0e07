// How a route describes itself: by the very schemas that validate it. From these openapi.json is made. Pure.

import type { z } from 'zod'
import type { Scope } from '../auth/identity.js'
import type { ErrorCode } from '../errors.js'

/** A body of one media type: what it looks like, or plain bytes. */
export type Content = Readonly<Record<string, z.ZodType | 'bytes'>>

export interface Answer {
  description: string
  /** Name → what it says. */
  headers?: Readonly<Record<string, string>>
  /** None: the answer has no body. */
  content?: Content
}

export interface Operation {
  method: 'get' | 'head' | 'post' | 'put' | 'patch' | 'delete' | 'options'
  /** As OpenAPI writes it: `/uploads/{id}`. */
  path: string
  /** Unique among all, camelCase. */
  id: string
  /** The room it belongs to, as the page of documentation groups it: Uploads, Files, Packages … */
  tag: string
  summary: string
  description?: string
  /** What the credential must allow; `any`: nothing, as long as there is one; null: none is needed. */
  scope: Scope | 'any' | null
  params?: z.ZodObject
  query?: z.ZodObject
  /** Parameters of the query whose names nobody knows beforehand: `prefix` and any key. */
  openQuery?: { prefix: string; description: string }
  /** Names in lowercase, as Node has them. Others that a request brings are none of its business. */
  headers?: z.ZodObject
  body?: { content: Content; isRequired: boolean }
  /** By status. Problems are not among them. */
  answers: Readonly<Record<number, Answer>>
  /** Refusals of its own, besides those that every operation with a credential or with input knows. */
  problems: readonly ErrorCode[]
}
