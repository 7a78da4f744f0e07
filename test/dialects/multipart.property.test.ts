// Forms of any shape, in any pieces, cut anywhere: the file's stream has exactly its bytes, or errs; it never ends too early.

import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { MultipartBody } from '../../server/dialects/multipart.js'
import { isAppError } from '../../server/errors.js'
import { bytesFrom } from '../end-to-end/evidence.js'
import fc from '../support/properties.js'
import { BOUNDARY, FORM_TYPE, file, form, part } from './form.js'

const KIB = 1024
/** Each property stops after this time, with however many runs it had. */
const TIME_LIMIT_MS = 10_000

/** A request whose body comes in these pieces; with `isCut` the connection ends then. */
function requestOf(pieces: readonly Buffer[], isCut: boolean): IncomingMessage {
  const body = Readable.from(
    (async function* () {
      for (const piece of pieces) {
        yield piece
        await turn()
      }
      if (isCut) throw new Error('aborted')
    })(),
  )
  // What MultipartBody reads of a request.
  const request = Object.assign(body, { headers: { 'content-type': FORM_TYPE } })
  body.on('error', () => {})
  return request as unknown as IncomingMessage
}

/** Reads the file as the intake does. @returns null when its stream erred */
async function read(body: MultipartBody, pauses: boolean): Promise<Buffer | null> {
  const { source } = await body.file()
  const chunks: Buffer[] = []
  return new Promise((resolve) => {
    source.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      if (!pauses) return
      source.pause()
      setTimeout(() => source.resume(), 0)
    })
    source.on('end', () => resolve(Buffer.concat(chunks)))
    source.on('error', () => resolve(null))
    source.on('close', () => setImmediate(resolve, null))
  })
}

function split(bytes: Buffer, pieceBytes: number): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; at += pieceBytes) pieces.push(bytes.subarray(at, at + pieceBytes))
  return pieces
}

/** Bytes among which are beginnings of boundaries. */
const contents = fc.oneof(
  fc.tuple(fc.integer(), fc.integer({ min: 0, max: 200 * KIB })).map(([seed, size]) => bytesFrom(seed, size)),
  fc
    .array(
      fc.constantFrom('\r\n', '--', '\r', '\n', `\r\n--${BOUNDARY.slice(0, 5)}`, `--${BOUNDARY}`, 'x', '\0'),
      { maxLength: 40 },
    )
    .map((pieces) => pieces.join('').replaceAll(`\r\n--${BOUNDARY}`, ''))
    // Taking one out may join another. And the line break before the file's first byte belongs to its headers, but one could
    // begin a boundary with it.
    .filter((text) => !text.includes(`\r\n--${BOUNDARY}`) && !text.startsWith(`--${BOUNDARY}`))
    .map((text) => Buffer.from(text)),
)

const forms = fc
  .record({
    bytes: contents,
    fields: fc.array(fc.constantFrom('key', 'label', 'size', 'filename'), { maxLength: 4 }),
    pieceBytes: fc.oneof(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 500, max: 70_000 })),
    pauses: fc.boolean(),
  })
  .map((one) => ({ ...one, pieceBytes: Math.max(one.pieceBytes, Math.ceil(one.bytes.length / 2000)) }))

test('whole, it is the bytes and the fields', async () => {
  await fc.assert(
    fc.asyncProperty(forms, async ({ bytes, fields, pieceBytes, pauses }) => {
      const names = [...new Set(fields)]
      const text = form([...names.map((name) => part(name, `of ${name}`)), file(bytes)])
      const body = new MultipartBody(requestOf(split(text, pieceBytes), false))
      const found = await body.file()
      expect(found.fields).toEqual(Object.fromEntries(names.map((name) => [name, `of ${name}`])))
      const received = await read(body, pauses)
      expect(received?.equals(bytes)).toBe(true)
      expect(body.refusal).toBeNull()
      body.close()
    }),
    { numRuns: 150, interruptAfterTimeLimit: TIME_LIMIT_MS },
  )
})

test('cut, or ended, before its closing boundary it errs', async () => {
  const cuts = fc.tuple(forms, fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean())
  await fc.assert(
    fc.asyncProperty(cuts, async ([{ bytes, pieceBytes, pauses }, at, isCut]) => {
      const text = form([part('key', 'k'), file(bytes)])
      // Only without its last line break it is whole already.
      const kept = text.subarray(0, Math.floor(at * (text.length - 3)))
      const body = new MultipartBody(requestOf(split(kept, pieceBytes), isCut))
      const received = await read(body, pauses).catch((error) => {
        expect(isAppError(error, 'INVALID_INPUT')).toBe(true)
        return null
      })
      expect(received).toBeNull()
      expect(isAppError(body.refusal, 'INVALID_INPUT')).toBe(true)
      body.close()
    }),
    { numRuns: 300, interruptAfterTimeLimit: TIME_LIMIT_MS },
  )
})

test('garbage in any place is the file’s bytes, or refused; nothing crashes, nothing hangs', async () => {
  const hits = fc.array(
    fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      bytes: fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 8 }),
        fc
          .constantFrom(
            '\r\n\r\n',
            `\r\n--${BOUNDARY}`,
            `\r\n--${BOUNDARY}--`,
            '\r\n--',
            ': ',
            '\r\n',
            '"',
            'name="file"',
          )
          .map((text) => new TextEncoder().encode(text)),
      ),
      isReplacement: fc.boolean(),
    }),
    { minLength: 1, maxLength: 5 },
  )
  await fc.assert(
    fc.asyncProperty(forms, hits, async ({ bytes, pieceBytes, pauses }, garbage) => {
      let text = form([part('key', 'k'), file(bytes.subarray(0, 2000))])
      for (const hit of garbage) {
        const at = Math.floor(hit.at * text.length)
        const behind = hit.isReplacement ? at + hit.bytes.length : at
        text = Buffer.concat([text.subarray(0, at), hit.bytes, text.subarray(behind)])
      }
      const body = new MultipartBody(requestOf(split(text, pieceBytes), false))
      const received = await read(body, pauses).catch((error) => {
        expect(isAppError(error, 'INVALID_INPUT')).toBe(true)
        return null
      })
      // Whatever was taken stood in the body as it is.
      if (received !== null) expect(text.includes(received)).toBe(true)
      else expect(isAppError(body.refusal, 'INVALID_INPUT')).toBe(true)
      body.close()
    }),
    { numRuns: 500, interruptAfterTimeLimit: TIME_LIMIT_MS },
  )
})

test('a file of another size than is expected errs', async () => {
  await fc.assert(
    fc.asyncProperty(forms, fc.integer({ min: -3, max: 3 }), async ({ bytes, pieceBytes, pauses }, more) => {
      const body = new MultipartBody(requestOf(split(form([file(bytes)]), pieceBytes), false))
      body.expect(Math.max(0, bytes.length + more))
      const received = await read(body, pauses)
      if (Math.max(0, bytes.length + more) === bytes.length) expect(received?.equals(bytes)).toBe(true)
      else expect(received).toBeNull()
      body.close()
    }),
    { numRuns: 100, interruptAfterTimeLimit: TIME_LIMIT_MS },
  )
})

test('a request that is closed by its client errs', async () => {
  const request = new IncomingMessage(new Socket())
  request.headers['content-type'] = FORM_TYPE
  const body = new MultipartBody(request)
  request.destroy()
  await expect(body.file()).rejects.toMatchObject({ code: 'INVALID_INPUT' })
})
