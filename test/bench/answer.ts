// Reads HTTP/1.1 answers from the bytes of a connection. Pure.

const LINE_END = '\r\n'
const HEAD_END = '\r\n\r\n'

export interface Answer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
}

export interface AnswerHead {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  /** Where the body begins in what was received. */
  readonly bodyStart: number
}

/** Status and fields; undefined while the head isn't complete. Throws when it is no HTTP. */
export function parseHead(received: Buffer): AnswerHead | undefined {
  const headEnd = received.indexOf(HEAD_END)
  if (headEnd < 0) return undefined
  const [statusLine = '', ...fields] = received.toString('latin1', 0, headEnd).split(LINE_END)
  const status = Number(statusLine.split(' ')[1])
  if (!Number.isInteger(status)) throw new Error(`Not an HTTP answer: ${statusLine}`)
  const headers = new Map(
    fields.map((field): [string, string] => {
      const colon = field.indexOf(':')
      return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()]
    }),
  )
  return { status, headers, bodyStart: headEnd + HEAD_END.length }
}

/** The first whole answer and how long it was; undefined while it isn't complete. */
export function parseAnswer(received: Buffer): { answer: Answer; lengthBytes: number } | undefined {
  const head = parseHead(received)
  if (head === undefined) return undefined
  const content = parseBody(head, received)
  if (content === undefined) return undefined
  return {
    answer: { status: head.status, headers: head.headers, body: content.body },
    lengthBytes: content.end,
  }
}

function parseBody(head: AnswerHead, received: Buffer): { body: Buffer; end: number } | undefined {
  // The stock server frames its empty 201 this way.
  if (head.headers.get('transfer-encoding') === 'chunked') return parseChunks(received, head.bodyStart)
  const bodyBytes = head.status === 204 ? 0 : Number(head.headers.get('content-length'))
  if (!Number.isSafeInteger(bodyBytes)) throw new Error('The answer has no Content-Length.')
  const end = head.bodyStart + bodyBytes
  return received.length < end
    ? undefined
    : { body: Buffer.from(received.subarray(head.bodyStart, end)), end }
}

/** RFC 9112 §7.1, without trailers: none of the measured servers sends any. */
function parseChunks(received: Buffer, bodyStart: number): { body: Buffer; end: number } | undefined {
  const chunks: Buffer[] = []
  let position = bodyStart
  for (;;) {
    const lineEnd = received.indexOf(LINE_END, position)
    if (lineEnd < 0) return undefined
    const sizeBytes = Number.parseInt(received.toString('latin1', position, lineEnd), 16)
    if (Number.isNaN(sizeBytes)) throw new Error('The answer has a malformed chunk.')
    const dataStart = lineEnd + LINE_END.length
    const dataEnd = dataStart + sizeBytes
    position = dataEnd + LINE_END.length
    if (received.length < position) return undefined
    if (sizeBytes === 0) return { body: Buffer.concat(chunks), end: position }
    chunks.push(received.subarray(dataStart, dataEnd))
  }
}
