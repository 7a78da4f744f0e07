// One file in a `multipart/form-data` body, on its way: @fastify/busboy takes the parts apart, nothing of the file is kept here.
//
// The file's stream comes to its end only when the whole body has turned out right: closed as it must be, with no second
// file and nothing behind it. Until then nobody takes for whole what was cut or is refused.

import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { Busboy, type BusboyFileStream, type BusboyInstance } from '@fastify/busboy'
import { AppError } from '../errors.js'

/** Bytes before the file, and behind it: boundaries, part headers, fields. */
export const MOST_BYTES_AROUND = 256 * 1024

const MOST_FIELDS = 32
const MOST_FIELD_BYTES = 8 * 1024
const MOST_HEADER_BYTES = 16 * 1024
/** A few of a socket's pieces, so that none has to wait for the one before it. */
const BUFFER_BYTES = 256 * 1024
/** From the first byte of the body to the file's. */
const PATIENCE_MS = 60_000

/** A file whose bytes are about to come. */
export interface FilePart {
  /** What came before it. */
  fields: Readonly<Record<string, string>>
  /** As its client calls it, without folders before it. */
  filename: string | null
  /** Without parameters. text/plain when its part doesn't say, as RFC 7578 §4.4 has it. */
  contentType: string
  /** Errs, and never ends, when the body is cut or refused. */
  source: Readable
}

export class MultipartBody {
  readonly #request: IncomingMessage
  readonly #parser: BusboyInstance
  readonly #fields = new Map<string, string>()
  readonly #part: Promise<FilePart>
  readonly #timer: NodeJS.Timeout
  #found!: { resolve: (part: FilePart) => void; reject: (error: AppError) => void }
  #file: { source: Readable; stream: BusboyFileStream } | null = null
  #fileBytes = 0
  #hasFileEnded = false
  #hasBodyEnded = false
  #isParsed = false
  /** Since the beginning, or since the file's end. */
  #bytesAround = 0
  #sizeBytes: number | null = null
  #refusal: AppError | null = null
  #isOver = false

  /** Begins to read. `close` has to follow. @throws INVALID_INPUT when Content-Type names no boundary */
  constructor(request: IncomingMessage) {
    this.#request = request
    this.#parser = openParser(request)
    this.#part = new Promise((resolve, reject) => {
      this.#found = { resolve, reject }
    })
    this.#part.catch(() => {})
    this.#timer = setTimeout(() => this.#refuse(tooSlow()), PATIENCE_MS)
    this.#parser
      .on('file', (name, stream, filename, _encoding, type) => this.#begin(name, stream, filename, type))
      .on('field', (name, value, _isNameCut, isCut) => this.#addField(name, value, isCut))
      .on('filesLimit', () => this.#refuse(moreThanOneFile()))
      .on('fieldsLimit', () => this.#refuse(tooMuchAround()))
      .on('partsLimit', () => this.#refuse(tooMuchAround()))
      .on('error', (error) => this.#refuse(malformed(error)))
      .on('drain', () => {
        if (!this.#isOver) request.resume()
      })
      .on('finish', () => {
        this.#isParsed = true
        this.#finish()
      })
    request.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose)
  }

  /** The file, as soon as it begins. @throws INVALID_INPUT when there is none; REQUEST_TIMEOUT */
  file(): Promise<FilePart> {
    return this.#part
  }

  /** Why the file's stream has erred. */
  get refusal(): AppError | null {
    return this.#refusal
  }

  /** Refuses the file when it turns out to have more or fewer bytes. */
  expect(sizeBytes: number): void {
    this.#sizeBytes = sizeBytes
  }

  /** Stops reading; what is left of the body is whoever's answers. Idempotent. */
  close(): void {
    this.#refuse(cut())
    clearTimeout(this.#timer)
  }

  readonly #onData = (chunk: Buffer) => {
    if (this.#file === null || this.#hasFileEnded) {
      this.#bytesAround += chunk.byteLength
      if (this.#bytesAround - chunk.byteLength > MOST_BYTES_AROUND) {
        this.#refuse(tooMuchAround())
        return
      }
    }
    try {
      if (!this.#parser.write(chunk)) this.#request.pause()
    } catch (error) {
      this.#refuse(malformed(error))
    }
  }

  readonly #onEnd = () => {
    this.#hasBodyEnded = true
    this.#parser.end()
    this.#finish()
  }

  readonly #onClose = () => {
    if (!this.#hasBodyEnded) this.#refuse(cut())
  }

  #addField(name: string | undefined, value: string, isCut: boolean): void {
    if (this.#file !== null) this.#refuse(fieldBehindFile(name))
    else if (name === undefined || isCut || this.#fields.has(name)) this.#refuse(badField(name))
    else this.#fields.set(name, value)
  }

  #begin(
    name: string | undefined,
    stream: BusboyFileStream,
    filename: string | undefined,
    type: string,
  ): void {
    // Busboy tells the part that is being read when the body ends too early; that it did is told by the parser, too.
    stream.on('error', () => {})
    if (name !== 'file' || this.#isOver) {
      stream.resume()
      this.#refuse(notTheFile(name))
      return
    }
    clearTimeout(this.#timer)
    const source = new Readable({ highWaterMark: BUFFER_BYTES, read: () => void stream.resume() })
    // It may err before anybody listens.
    source.on('error', () => {})
    this.#file = { source, stream }
    stream.on('data', (chunk: Buffer) => this.#pass(chunk))
    stream.on('end', () => {
      this.#hasFileEnded = true
      this.#bytesAround = 0
    })
    const fields = Object.fromEntries(this.#fields)
    this.#found.resolve({ fields, filename: filename ?? null, contentType: type, source })
  }

  #pass(chunk: Buffer): void {
    if (this.#file === null || this.#isOver) return
    this.#fileBytes += chunk.byteLength
    if (this.#sizeBytes !== null && this.#fileBytes > this.#sizeBytes) {
      this.#refuse(otherSize(this.#sizeBytes, 'more'))
      return
    }
    if (!this.#file.source.push(chunk)) this.#file.stream.pause()
  }

  #finish(): void {
    if (this.#isOver || !this.#isParsed || !this.#hasBodyEnded) return
    if (this.#file === null) this.#refuse(notTheFile(undefined))
    else if (this.#sizeBytes !== null && this.#fileBytes !== this.#sizeBytes)
      this.#refuse(otherSize(this.#sizeBytes, 'fewer'))
    else {
      this.#leave()
      this.#file.source.push(null)
    }
  }

  #refuse(error: AppError): void {
    if (this.#isOver) return
    this.#refusal = error
    this.#leave()
    // Whoever answers reads the rest, or doesn't.
    this.#request.pause()
    this.#found.reject(error)
    this.#file?.source.destroy(error)
  }

  #leave(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#request.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose)
  }
}

function openParser(request: IncomingMessage): BusboyInstance {
  const contentType = request.headers['content-type'] ?? ''
  try {
    return new Busboy({
      headers: { ...request.headers, 'content-type': contentType },
      // A part with a name for its file is one, even if it is not `file`: only so can it be refused.
      isPartAFile: (name, _type, filename) => name === 'file' || filename !== undefined,
      fileHwm: BUFFER_BYTES,
      limits: {
        files: 1,
        fields: MOST_FIELDS,
        parts: MOST_FIELDS + 1,
        fieldSize: MOST_FIELD_BYTES,
        headerSize: MOST_HEADER_BYTES,
      },
    })
  } catch (error) {
    throw malformed(error)
  }
}

const ADVICE = 'Send the fields first, then one part "file", then the closing boundary.'

function malformed(cause: unknown): AppError {
  return new AppError('INVALID_INPUT', `The body is not well-formed multipart/form-data. ${ADVICE}`, {
    cause,
  })
}

function cut(): AppError {
  return new AppError('INVALID_INPUT', 'The body ended too early. Nothing of it is kept: send it again.')
}

function tooSlow(): AppError {
  return new AppError('REQUEST_TIMEOUT', `No file has come for ${PATIENCE_MS / 1000} s. ${ADVICE}`)
}

function tooMuchAround(): AppError {
  return new AppError(
    'INVALID_INPUT',
    `There are more than ${MOST_FIELDS} fields, or ${MOST_BYTES_AROUND} bytes around the file. ${ADVICE}`,
  )
}

function moreThanOneFile(): AppError {
  return new AppError('INVALID_INPUT', 'There is more than one file. Send each in a request of its own.')
}

function notTheFile(name: string | undefined): AppError {
  const found =
    name === undefined ? 'There is no part "file".' : `There is a file in the part ${shown(name)}.`
  return new AppError('INVALID_INPUT', `${found} ${ADVICE}`)
}

function fieldBehindFile(name: string | undefined): AppError {
  return new AppError('INVALID_INPUT', `The field ${shown(name)} comes after the file, too late. ${ADVICE}`)
}

function badField(name: string | undefined): AppError {
  return new AppError(
    'INVALID_INPUT',
    `The field ${shown(name)} comes twice, has no name or has more than ${MOST_FIELD_BYTES} bytes. ${ADVICE}`,
  )
}

function otherSize(sizeBytes: number, comparison: 'more' | 'fewer'): AppError {
  return new AppError(
    'INVALID_INPUT',
    `The file has ${comparison} bytes than its size, ${sizeBytes}. Nothing of it is kept: send it again, with the right size.`,
  )
}

function shown(name: string | undefined): string {
  return JSON.stringify(name?.slice(0, 100) ?? '')
}
