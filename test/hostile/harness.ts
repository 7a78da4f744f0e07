// The hostile suite: what is sent is written down byte by byte in tables, and every case is held against the same promises.

import { hash, randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { ErrorCode } from '../../server/errors.js'
import type { Report } from '../../server/uploads/report.js'
import type { Answer } from '../dialects/exchange.js'
import { expectProblem } from '../dialects/problem-of.js'
import { pathOf, rowsOf, someBytes, TusClient } from '../dialects/tus-client.js'
import { startServer, type TestServer, type TestServerOptions } from '../support/server.js'
import { type State, StateReader } from './state.js'
import { Wire } from './wire.js'

/** Text goes as Latin-1, so that `\xff` is that byte; a number is a pause in milliseconds. */
export type Piece = string | Uint8Array | number

export interface Expected {
  /** Several, where HTTP leaves the choice. */
  status: number | readonly number[]
  /** Of the problem; none for what isn't refused. */
  code?: ErrorCode | readonly ErrorCode[]
  /** Whatever else is promised. */
  check?: (answer: Answer, ground: Ground) => void | Promise<void>
  isHead?: true
  /** The answer may show the path, made-up host and all. */
  mayEcho?: true
  /** Default 3 s: what is hostile is refused fast. */
  withinMs?: number
}

export interface Case extends Expected {
  name: string
  send: (ground: Ground) => Piece | Piece[]
  /** Answers behind the first one. */
  more?: readonly Expected[]
  /**
   * After the last piece: our half is closed, or the connection cut and no answer waited for; or it is cut after the answer,
   * since the request was never sent to its end.
   */
  ending?: 'end' | 'destroy' | 'leave'
  /** The server must have closed the connection, without executing what stood behind. */
  mustClose?: true
  /** What stands behind is a whole request: if it were executed, that could take a moment. */
  waitsMs?: number
  /** "100 Continue" that must have come. Default 0. */
  interim?: number
  /** The report of a one-shot that was canceled, and its events, are left. No bytes of it are. */
  leavesTombstone?: true
}

/** What is there to be harmed. */
export interface Ground {
  readonly server: TestServer
  /** `Authorization: Bearer …` of the owner of all that is named here. */
  readonly credential: string
  /** That of somebody else, who has nothing. */
  readonly stranger: string
  /** An upload of 10 bytes, 2 of which have arrived. */
  readonly receiving: string
  /** An upload whose deletion some cases try to smuggle in. */
  readonly canary: string
  /** An upload that is ready: text/csv, 1,000 bytes. */
  readonly ready: Report
  /** Its retrieval URL's path. */
  readonly retrieval: string
  /** A session without a size. */
  readonly session: string
  /** An open package with one file. */
  readonly openPackage: string
}

export const CONTENT = someBytes(1000)

export interface GroundOptions extends TestServerOptions {
  /** What there is, besides, before the first case. */
  furnish?: (server: TestServer) => Promise<unknown>
}

/** Starts a server for a file's tables; gives the function that runs them. Call it at the top of a test file. */
export function hostileGround(options: GroundOptions | (() => Promise<GroundOptions>) = {}) {
  let server: TestServer | undefined
  let ground: Ground
  let reader: StateReader | undefined
  let before: State
  let pid: number | undefined

  beforeAll(async () => {
    const { furnish, ...serverOptions } = typeof options === 'function' ? await options() : options
    server = await startServer(serverOptions)
    await furnish?.(server)
    ground = await prepare(server)
    pid = server.pid
    reader = await StateReader.open(server)
    before = await settled(reader)
  })

  afterAll(async () => {
    try {
      // A request that was smuggled in and ran late would be seen here.
      expect(await reader?.read()).toEqual(before)
      expectCleanLog(ground)
    } finally {
      await reader?.close()
      await server?.dispose()
    }
  })

  async function runCase(one: Case): Promise<void> {
    if (reader === undefined) throw new Error('The server has not started.')
    try {
      await hold(one, reader)
    } catch (error) {
      // So that the next case isn't blamed for this one.
      ground = await prepare(ground.server).catch(() => ground)
      before = await settled(reader)
      throw error
    }
  }

  /** Holds `one` against what is promised of every case, and what is of this one. */
  async function hold(one: Case, reader: StateReader): Promise<void> {
    const wire = await Wire.open(ground.server.url)
    try {
      const isOpen = await exchange(wire, one, ground)
      await expectServed(isOpen ? wire : undefined, ground)
    } finally {
      wire.destroy()
    }
    expect(ground.server.pid).toBe(pid)
    if (one.waitsMs !== undefined) await sleep(one.waitsMs)
    if (one.leavesTombstone) before = await stateWithTombstone(reader, before)
    await expectState(reader, before)
  }

  return {
    /** The server and what is on it, once the tests run. */
    ground: () => ground,
    /** A test for each case. */
    table(title: string, cases: readonly Case[]): void {
      describe(title, () => {
        test.each(cases.map((one) => [one.name, one] as const))('%s', (_, one) => runCase(one))
      })
    },
  }
}

/** A request with the owner's credential. Its length is told unless `headers` do, or there is no body. */
export function signed(
  { credential }: Ground,
  line: string,
  headers: readonly string[] = [],
  body: string | Uint8Array = '',
): Uint8Array {
  return anonymous(line, [credential, ...headers], body)
}

/** A request with a Host, and nothing else that isn't named. */
export function anonymous(
  line: string,
  headers: readonly string[] = [],
  body: string | Uint8Array = '',
): Uint8Array {
  const content = typeof body === 'string' ? Buffer.from(body, 'latin1') : body
  const saysLength = headers.some((header) => /^(content-length|transfer-encoding)\b/i.test(header))
  const length = content.length === 0 || saysLength ? [] : [`Content-Length: ${content.length}`]
  const head = [`${line} HTTP/1.1`, 'Host: 127.0.0.1', ...headers, ...length]
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), content])
}

/** A request with a body in JSON. */
export function json(
  ground: Ground,
  line: string,
  body: unknown,
  headers: readonly string[] = [],
): Uint8Array {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return signed(ground, line, ['Content-Type: application/json', ...headers], Buffer.from(text))
}

export const TUS = 'Tus-Resumable: 1.0.0'
export const OFFSET_STREAM = 'Content-Type: application/offset+octet-stream'

/** What a smuggler would have executed. */
export function deletion({ credential, canary }: Ground): string {
  return `DELETE /uploads/${canary} HTTP/1.1\r\nHost: 127.0.0.1\r\n${credential}\r\n${TUS}\r\n\r\n`
}

async function prepare(server: TestServer): Promise<Ground> {
  const tus = new TusClient(server)
  const receiving = await tus.begin(10)
  await tus.patch(receiving, 0, Buffer.from('ab'))
  const canary = await tus.begin(10)
  const ready = await tus.put(CONTENT, { filename: 'lake.csv', filetype: 'text/csv' })
  const session = String((await posted(tus, '/uploads', { filename: 'session.bin' })).id)
  const openPackage = String((await posted(tus, '/packages', { name: 'open' })).id)
  await tus.put(Buffer.from('in a package'), { filename: 'in.csv', packageId: openPackage })
  const strangersKey = `ap_${randomBytes(20).toString('base64url')}`
  await rowsOf(
    server,
    `INSERT INTO api_keys (id, name, prefix, hash, owner, scopes) VALUES ($1, 'test', $2, $3, 'stranger', $4)`,
    [randomUUID(), strangersKey.slice(0, 8), hash('sha256', strangersKey), ['upload', 'read', 'delete']],
  )
  return {
    server,
    credential: `Authorization: Bearer ${server.key}`,
    stranger: `Authorization: Bearer ${strangersKey}`,
    receiving,
    canary,
    ready,
    retrieval: pathOf(ready.retrieval_url),
    session,
    openPackage,
  }
}

async function posted(tus: TusClient, path: string, body: object): Promise<Record<string, unknown>> {
  const headers = { 'Content-Type': 'application/json', 'Tus-Resumable': undefined }
  const answer = await tus.send('POST', path, headers, Buffer.from(JSON.stringify(body)))
  expect(answer.status).toBe(201)
  return JSON.parse(answer.body.toString())
}

/** Whether the connection can be used on. */
async function exchange(wire: Wire, one: Case, ground: Ground): Promise<boolean> {
  const pieces = [one.send(ground)].flat()
  // The server may answer, and close, before all of it is written.
  const sent = (async () => {
    for (const piece of pieces) {
      if (typeof piece === 'number') await sleep(piece)
      else await wire.send(piece)
    }
    if (one.ending === 'end') wire.end()
    if (one.ending === 'destroy') wire.destroy()
  })()
  if (one.ending === 'destroy') {
    await sent
    return false
  }
  let isOpen = one.ending === undefined
  for (const expected of [one, ...(one.more ?? [])]) {
    expect(isOpen || one.ending !== undefined).toBe(true)
    const startedAt = performance.now()
    const answer = await wire.next(expected.isHead)
    expect(performance.now() - startedAt).toBeLessThan(expected.withinMs ?? 3000)
    if (answer === undefined) throw new Error('The server hung up without an answer.')
    await expectAnswer(answer, expected, ground)
    if (answer.headers.connection === 'close') isOpen = false
  }
  expect(wire.interim).toBe(one.interim ?? 0)
  await sent
  if (one.mustClose) expect(isOpen).toBe(false)
  if (one.ending === 'leave') return false
  // Whatever comes now was smuggled in.
  if (!isOpen) expect(await wire.closed()).toBe('')
  return isOpen
}

async function expectAnswer(answer: Answer, expected: Expected, ground: Ground): Promise<void> {
  const statuses = [expected.status].flat()
  const text = answer.body.toString()
  if (!statuses.includes(answer.status)) {
    const shown = text.slice(0, 1000)
    expect({ status: answer.status, text: shown }).toEqual({ status: statuses.join(' or '), text: shown })
  }
  if (expected.code !== undefined && !expected.isHead) {
    const codes = [expected.code].flat()
    const found = codes.find((code) => text.includes(`"${code}"`)) ?? codes[0]!
    expectProblem(answer, answer.status, found)
  } else if (answer.status >= 400) {
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/)
  }
  const all = `${JSON.stringify(answer.headers)}\n${text}`
  // Nothing of the inside; and no host that a client made up, whatever header it came in.
  expect(all).not.toMatch(/\bat \S+ \(|node_modules|\.[jt]s:\d|\/tmp\/|\/dist\/|lease_holder|SELECT .* FROM/i)
  if (!expected.mayEcho) expect(all).not.toContain('evil.example')
  expect(answer.headers['set-cookie']).toBeUndefined()
  expect(answer.headers['x-powered-by']).toBeUndefined()
  await expected.check?.(answer, ground)
}

/** @param wire the connection of the case, when it stays open; otherwise a new one is made */
async function expectServed(wire: Wire | undefined, ground: Ground): Promise<void> {
  const { ready } = ground
  const connection = wire ?? (await Wire.open(ground.server.url))
  await connection.send(signed(ground, `GET /uploads/${ready.id}`))
  const report = await connection.next()
  expect(report?.status).toBe(200)
  expect(JSON.parse(report!.body.toString())).toMatchObject({ id: ready.id, state: 'ready' })
  await connection.send(anonymous('GET /healthz'))
  expect((await connection.next())?.body.toString()).toBe('{"status":"ok"}')
  if (wire === undefined) connection.destroy()
}

/** What a request that was cut has left is taken away a moment later. */
async function expectState(reader: StateReader, before: State): Promise<void> {
  for (let tries = 0; tries < 50; tries += 1) {
    if (JSON.stringify(await reader.read()) === JSON.stringify(before)) return
    await sleep(20)
  }
  expect(await reader.read()).toEqual(before)
}

/** @returns `before` with an upload more, and what happened to it; its bytes are gone */
async function stateWithTombstone(reader: StateReader, before: State): Promise<State> {
  for (let tries = 0; tries < 50; tries += 1) {
    const { uploads = '', events = '', ...rest } = await settled(reader)
    const isGone = rest['store/tmp'] === before['store/tmp']
    if (isGone && Number.parseInt(uploads, 10) === Number.parseInt(before.uploads ?? '', 10) + 1) {
      return { ...before, uploads, events }
    }
  }
  throw new Error('There is no tombstone, or bytes are left.')
}

/** The state when nothing moves any more after the preparations. */
async function settled(reader: StateReader): Promise<State> {
  for (;;) {
    const first = await reader.read()
    await sleep(100)
    const second = await reader.read()
    if (JSON.stringify(first) === JSON.stringify(second)) return second
  }
}

/** Hostile requests are no failures of the server; they forge no line of its log, and leave no credential there. */
function expectCleanLog({ server, credential, stranger, retrieval }: Ground): void {
  const lines = server.logs().split('\n')
  const serving = lines.findIndex((line) => line.includes('"msg":"serving"'))
  expect(serving).toBeGreaterThan(0)
  // Up to there it speaks to people.
  expect(lines.slice(serving).filter((line) => line !== '' && !isLogLine(line))).toEqual([])
  expect(lines.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([])
  const keys = [credential, stranger].map((header) => header.split(' ').at(-1) ?? '')
  const secrets = [...keys, retrieval.split('/')[2] ?? '']
  expect(lines.filter((line) => secrets.some((secret) => line.includes(secret)))).toEqual([])
}

function isLogLine(line: string): boolean {
  if (/[\p{Cc}\u2028\u2029]/u.test(line)) return false
  try {
    return typeof JSON.parse(line).level === 'string'
  } catch {
    return false
  }
}
