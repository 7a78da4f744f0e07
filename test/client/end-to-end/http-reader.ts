// Reads one side of an HTTP/1.1 connection as its bytes pass by: where a message begins, how much body it brings, where it
// ends (RFC 9112 §6). Changes and keeps nothing.

export interface MessageHead {
  /** `PATCH /uploads/1 HTTP/1.1` or `HTTP/1.1 204 No Content`. */
  readonly startLine: string
  /** Names in lower case; of several with one name the last. */
  readonly headers: ReadonlyMap<string, string>
}

export interface MessageListener {
  /** @returns whether a body may follow: an answer to HEAD has none, whatever its headers say */
  onHead(head: MessageHead): boolean
  /** So many bytes more of the body, without the framing of chunks. */
  onBody(lengthBytes: number): void
  onEnd(): void
}

type State = 'head' | 'body' | 'until close' | 'chunk size' | 'chunk' | 'chunk end' | 'trailer'

const LINE_END = Buffer.from('\r\n')
const HEAD_END = Buffer.from('\r\n\r\n')

export class HttpReader {
  readonly #listener: MessageListener
  #state: State = 'head'
  /** What has come of a head or a line that isn't whole yet. */
  #pending: Buffer = Buffer.alloc(0)
  #leftBytes = 0

  constructor(listener: MessageListener) {
    this.#listener = listener
  }

  read(bytes: Buffer): void {
    let rest: Buffer | null = bytes
    while (rest !== null && rest.byteLength > 0) rest = this.#step(rest)
  }

  /** @returns what is left to read; null when more has to come first */
  #step(bytes: Buffer): Buffer | null {
    switch (this.#state) {
      case 'head':
        return this.#whole(bytes, HEAD_END, (head) => this.#begin(head))
      case 'chunk size':
        return this.#whole(bytes, LINE_END, (line) => {
          this.#leftBytes = Number.parseInt(line, 16)
          this.#state = this.#leftBytes === 0 ? 'trailer' : 'chunk'
        })
      case 'chunk end':
        return this.#whole(bytes, LINE_END, () => {
          this.#state = 'chunk size'
        })
      case 'trailer':
        return this.#whole(bytes, LINE_END, (line) => {
          if (line === '') this.#end()
        })
      case 'until close':
        this.#listener.onBody(bytes.byteLength)
        return null
      case 'body':
      case 'chunk':
        return this.#pass(bytes)
    }
  }

  #pass(bytes: Buffer): Buffer {
    const lengthBytes = Math.min(bytes.byteLength, this.#leftBytes)
    this.#leftBytes -= lengthBytes
    this.#listener.onBody(lengthBytes)
    if (this.#leftBytes === 0) {
      if (this.#state === 'body') this.#end()
      else this.#state = 'chunk end'
    }
    return bytes.subarray(lengthBytes)
  }

  /** Gathers bytes up to `end`, and gives them to `take` as text, without it. */
  #whole(bytes: Buffer, end: Buffer, take: (text: string) => void): Buffer | null {
    const gathered = this.#pending.byteLength === 0 ? bytes : Buffer.concat([this.#pending, bytes])
    const at = gathered.indexOf(end)
    if (at < 0) {
      this.#pending = Buffer.from(gathered)
      return null
    }
    this.#pending = Buffer.alloc(0)
    take(gathered.toString('latin1', 0, at))
    return gathered.subarray(at + end.byteLength)
  }

  #begin(text: string): void {
    const [startLine = '', ...lines] = text.split('\r\n')
    const headers = new Map(
      lines.map((line) => {
        const colon = line.indexOf(':')
        return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()]
      }),
    )
    const mayHaveBody = this.#listener.onHead({ startLine, headers })
    const lengthBytes = Number(headers.get('content-length') ?? 0)
    if (!mayHaveBody) this.#end()
    else if (/\bchunked\b/i.test(headers.get('transfer-encoding') ?? '')) this.#state = 'chunk size'
    else if (lengthBytes > 0) {
      this.#state = 'body'
      this.#leftBytes = lengthBytes
    } else if (startLine.startsWith('HTTP/') && !headers.has('content-length')) this.#state = 'until close'
    else this.#end()
  }

  #end(): void {
    this.#state = 'head'
    this.#listener.onEnd()
  }
}
