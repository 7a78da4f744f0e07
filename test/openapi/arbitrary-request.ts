// Requests made from openapi.json: what it allows, and whatever a client can get wrong or wish us ill with.

import fc from '../support/properties.js'
import { ValueMaker } from './arbitrary-value.js'
import type { DescribedOperation, Description, JsonSchema, Parameter } from './described.js'
import type { Ask } from './exchange.js'
import {
  ACCEPTS,
  HEADER_VALUES,
  HOSTILE_JSON,
  HOSTILE_TEXT,
  HOSTILE_XML,
  KIBI,
  MEDIA_TYPES,
  MULTIPART,
  XML,
} from './known-values.js'
import { type Place, type Seeds, seed } from './seeds.js'

/** Whose credential a request brings. */
export type Credential = 'owner' | 'admin' | 'reader' | 'unknown' | 'none' | 'two'

/** A request with the names of seeds where ids will stand: see `seeds.ts`. */
export interface ArbitraryRequest extends Ask {
  headers: Readonly<Record<string, string>>
  credential: Credential
}

interface Body {
  mediaType: string | undefined
  bytes: Buffer | string | undefined
}

/** Requests to an operation: of three, two are what the document allows as far as it can be told, one isn't. */
export function requestOf(
  description: Description,
  operation: DescribedOperation,
): fc.Arbitrary<ArbitraryRequest> {
  return fc.oneof(
    { weight: 2, arbitrary: new RequestMaker(description, false).requestOf(operation) },
    { weight: 1, arbitrary: new RequestMaker(description, true).requestOf(operation) },
  )
}

class RequestMaker {
  readonly #values: ValueMaker
  readonly #isHostile: boolean

  constructor(description: Description, isHostile: boolean) {
    this.#values = new ValueMaker(description, isHostile)
    this.#isHostile = isHostile
  }

  requestOf(operation: DescribedOperation): fc.Arbitrary<ArbitraryRequest> {
    const { method, path, parameters } = operation
    const isTus = parameters.some(({ name }) => name === 'Tus-Resumable')
    const about = (isOurs: (mediaType: string) => boolean) =>
      fc.record({
        target: this.#target(operation),
        headers: this.#headers(parameters.filter((parameter) => parameter.in === 'header')),
        common: this.#isHostile ? hostileHeaders : fc.constant({}),
        body: this.#body(operation, isOurs),
        credential: this.#values.mostly<Credential>(
          fc.constantFrom('owner', 'admin'),
          fc.constantFrom('reader', 'unknown', 'none', 'two'),
        ),
        isChunked: fc.nat(9).map((n) => n === 0),
        isOverridden: fc.nat(9).map((n) => n === 0),
      })
    const request =
      isTus && !this.#isHostile
        ? fc.oneof(
            about((type) => type === OFFSET_STREAM).map((one) => ({
              ...one,
              headers: asTus(method, one.headers),
            })),
            about((type) => type !== OFFSET_STREAM).map((one) => ({ ...one, headers: withoutTus(one) })),
          )
        : about(() => true)
    return request.map(({ target, headers, common, body, credential, isChunked, isOverridden }) => {
      // tus: a client that can't send PATCH or DELETE says so in a header.
      const overrides = isOverridden && path.startsWith('/uploads') && ['patch', 'delete'].includes(method)
      return {
        method: overrides ? 'POST' : method.toUpperCase(),
        target,
        headers: {
          ...common,
          ...headers,
          ...(body.mediaType === undefined ? {} : { 'Content-Type': body.mediaType }),
          ...(overrides ? { 'X-HTTP-Method-Override': method.toUpperCase() } : {}),
        },
        body: body.bytes,
        isChunked: isChunked && body.bytes !== undefined,
        credential,
      }
    })
  }

  #target({ path, parameters }: DescribedOperation): fc.Arbitrary<string> {
    const inPath = parameters.filter((parameter) => parameter.in === 'path')
    const inQuery = parameters.filter((parameter) => parameter.in === 'query')
    return fc
      .record({
        segments: fc.tuple(...inPath.map(({ name }) => this.#segment(path, name))),
        pairs: fc.tuple(...inQuery.map((parameter) => this.#pair(parameter))),
        more: this.#values.mostly(fc.constant<string[]>([]), oddQuery),
      })
      .map(({ segments, pairs, more }) => {
        const filled = inPath.reduce(
          (text, { name }, at) => text.replace(`{${name}}`, segments[at] ?? ''),
          path,
        )
        const query = [...pairs.flatMap((pair) => pair ?? []), ...more].join('&')
        return query === '' ? filled : `${filled}?${query}`
      })
  }

  /** One segment of the path, percent-encoded. */
  #segment(path: string, name: string): fc.Arbitrary<string> {
    const place = placeOf(path)
    const known = KNOWN_SEGMENTS[name]
    const real =
      known !== undefined
        ? fc.constantFrom(...known)
        : name === 'filename' || place === undefined
          ? fc.constant('a.csv')
          : seed(place)
    return this.#values.mostly(real, fc.oneof(oddSegment, fc.constantFrom(...encodedSegments)))
  }

  /** `name=value`, or nothing. */
  #pair({ name, required, schema }: Parameter): fc.Arbitrary<string | null> {
    // An open parameter stands for all that begin as it does.
    const spelled = name.endsWith('*')
      ? fc.constantFrom('site', 'a.b').map((key) => name.slice(0, -1) + key)
      : fc.constant(name)
    const pair = fc
      .tuple(
        this.#values.mostly(spelled, fc.constantFrom(name, `${name}${'x'.repeat(300)}`)),
        this.#values.textOf(name, schema),
      )
      .map(([key, text]) => `${encodeURIComponent(key)}=${encodeURIComponent(text)}`)
    return required
      ? this.#values.mostly<string | null>(pair, fc.constant(null))
      : fc.oneof(pair, fc.constant(null))
  }

  #headers(parameters: readonly Parameter[]): fc.Arbitrary<Record<string, string>> {
    const members = Object.fromEntries(
      parameters.map(({ name, schema }) => {
        const known = HEADER_VALUES[name]
        const text =
          known === undefined
            ? this.#values.textOf(name, schema)
            : this.#values.mostly(known, fc.constantFrom(...HOSTILE_TEXT))
        return [name, text.map(asHeader)]
      }),
    )
    return fc.record(members, { requiredKeys: [] }).map(definedOf)
  }

  #body({ requestBody }: DescribedOperation, isOurs: (mediaType: string) => boolean): fc.Arbitrary<Body> {
    const nothing = fc.constant<Body>({ mediaType: undefined, bytes: undefined })
    if (requestBody === undefined) return this.#values.mostly(nothing, uninvitedBody)
    const contents = Object.entries(requestBody.content).filter(([mediaType]) => isOurs(mediaType))
    const bodies = contents.map(([mediaType, { schema }]) =>
      fc.record<Body>({
        // The boundary belongs to the type.
        mediaType: this.#values.mostly(
          fc.constant(mediaType === 'multipart/form-data' ? `${mediaType}; boundary=b` : mediaType),
          fc.constantFrom(...MEDIA_TYPES),
        ),
        bytes: this.#bytesOf(mediaType, schema),
      }),
    )
    if (bodies.length === 0) return nothing
    const something = fc.oneof(...bodies)
    return requestBody.required
      ? this.#values.mostly(something, nothing)
      : fc.oneof({ weight: 2, arbitrary: something }, nothing)
  }

  #bytesOf(mediaType: string, schema: JsonSchema): fc.Arbitrary<Body['bytes']> {
    if (/[/+]json$/.test(mediaType)) {
      const text = this.#values.valueOf('', schema).map((value) => JSON.stringify(value))
      return this.#values.mostly<Body['bytes']>(text, fc.constantFrom(...HOSTILE_JSON))
    }
    if (/[/+]xml$/.test(mediaType))
      return this.#values.mostly(fc.constantFrom(...XML), fc.constantFrom(...HOSTILE_XML))
    if (mediaType.startsWith('multipart/')) return MULTIPART
    return fc.oneof(
      { weight: 5, arbitrary: fc.constant('abc') },
      fc.constantFrom('', 'abcdefghij'),
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      fc.constant(Buffer.alloc(100 * KIBI)),
    )
  }
}

const OFFSET_STREAM = 'application/offset+octet-stream'

type Headers = Readonly<Record<string, string>>

/** What tus demands besides what it allows. */
function asTus(method: string, headers: Headers): Headers {
  const { 'Content-Range': _, 'Upload-Defer-Length': __, ...ours } = headers
  const needed: Record<string, Headers> = {
    post: ours['Upload-Length'] === undefined ? { 'Upload-Defer-Length': '1' } : {},
    patch: { 'Upload-Offset': ours['Upload-Offset'] ?? '0' },
  }
  return { ...ours, ...needed[method], 'Tus-Resumable': '1.0.0' }
}

/** HTTP's own words. A range is of bytes. */
function withoutTus({ headers, body }: { headers: Headers; body: Body }): Headers {
  const isJson = /json/.test(body.mediaType ?? '')
  const isOurs = (name: string) => !/^(upload|tus)-/i.test(name) && !(isJson && name === 'Content-Range')
  return Object.fromEntries(Object.entries(headers).filter(([name]) => isOurs(name)))
}

const hostileHeaders = fc
  .record(
    {
      Accept: fc.constantFrom(...ACCEPTS),
      'X-Request-ID': fc.constantFrom('my-request-1', 'x'.repeat(500), '<script>'),
      'Accept-Encoding': fc.constantFrom('gzip', 'identity;q=0'),
      'Content-Encoding': fc.constantFrom('identity', 'identity', 'identity', 'gzip', 'nonsense'),
      Origin: fc.constantFrom('https://example.org', 'null'),
    },
    { requiredKeys: [] },
  )
  .map(definedOf)

/** Parameters that nobody knows, one that comes twice, and text that isn't `name=value`. */
const oddQuery = fc.constantFrom<string[][]>(
  ['stranger=1'],
  ['limit=1', 'limit=2'],
  ['limit[gt]=1'],
  ['%zz'],
  ['&&='],
  ['access_token=x'],
  ['__proto__=1'],
)

const oddSegment = fc.constantFrom(
  '%zz',
  '%',
  '%00',
  '%c3%28',
  '%2e%2e',
  '%2F',
  '%5c',
  'f'.repeat(40),
  'f'.repeat(64),
)
const encodedSegments = HOSTILE_TEXT.filter((text) => text !== '').map(encodeURIComponent)

const uninvitedBody = fc.record<Body>({
  mediaType: fc.constantFrom(...MEDIA_TYPES),
  bytes: fc.constantFrom('{}', 'x', ''),
})

/** What Node lets into a header. */
function asHeader(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 2 * KIBI)
}

function definedOf(members: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(members).flatMap(([name, text]) => (text === undefined ? [] : [[name, text]])),
  )
}

const PLACES: readonly [string, Place][] = [
  ['/uploads/', 'uploads'],
  ['/packages/', 'packages'],
  ['/webhooks/', 'webhooks'],
  ['/api-keys/', 'keys'],
  ['/files/', 'contents'],
  ['/r/', 'tokens'],
]

/** What stands in a path and is no id. */
const KNOWN_SEGMENTS: Readonly<Record<string, readonly string[]>> = {
  grantee: ['reader', 'lter-ntl'],
  provider: ['github', 'pasta', 'nobody'],
}

function placeOf(path: string): Place | undefined {
  return PLACES.find(([start]) => path.startsWith(start))?.[1]
}

/** The request with every name of a seed replaced by what it stands for now. */
export function withSeeds(request: ArbitraryRequest, seeds: Seeds): ArbitraryRequest {
  const { target, headers, body } = request
  return {
    ...request,
    target: seeds.fill(target),
    headers: Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, seeds.fill(text)])),
    body: typeof body === 'string' ? seeds.fill(body) : body,
  }
}
