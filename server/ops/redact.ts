// What logs and error bodies may show. Pure.

import { withoutHost } from '../http/request-target.js'

const REDACTED = '[redacted]'

/**
 * The path of a request's URL as it may be written down: no origin, no query, no retrieval token, no key.
 *
 * A retrieval URL is a capability: who reads it in a log could pull the file.
 */
export function shownPath(url: string): string {
  return (
    withoutHost(url)
      .replace(/[?#].*$/s, '')
      // Express matches routes whatever their case; what it doesn't match may be a slip of somebody who has the token.
      .replace(/\/(?:r|%[57]2)\/+[^/]+/gi, `/r/${REDACTED}`)
      // Who has only a leaked key may try to revoke it by naming it. Those of the configuration have any shape, but a length.
      .replace(/\/api-keys\/+(?![0-9a-f-]{36}(?:\/|$))[^/]{16,}/gi, `/api-keys/${REDACTED}`)
      .replace(/ap_[\w-]{27}/g, REDACTED)
  )
}

/** Names of what is a secret wherever it stands. */
const NAMES = [
  '(?:proxy-)?authorization',
  '(?:set-)?cookie',
  '(?:x-)?api[-_]?key',
  '(?:[\\w-]{1,20}[-_])?token',
  '(?:[\\w-]{1,20}[-_])?secret',
  'secret[-_]?access[-_]?key',
  'retrievalToken',
  'pass(?:word|wd)?',
  'connectionString',
].join('|')

/** In the words of an error, a line may begin with it: `\n` is two characters in JSON, and the second one a letter. */
const BEGIN = String.raw`(?:\b|(?<=\\[nrt]))`

interface Rule {
  readonly pattern: RegExp
  readonly shown: string
}

/**
 * Secrets that go by a name, in a line of JSON: members, and pairs of Node's rawHeaders; the same as text, in a body of JSON or
 * in what `inspect` writes; in URLs, in connection strings of words, in what AWS signs with.
 */
const NAMED: readonly Rule[] = [
  {
    pattern: new RegExp(String.raw`"(${NAMES})":(?:"(?:[^"\\]|\\.)*"|\[[^\]]*\]|\{[^}]*\})`, 'gi'),
    shown: `"$1":"${REDACTED}"`,
  },
  // Not a name that is itself a value: a member follows it.
  {
    pattern: new RegExp(String.raw`"(${NAMES})","(?:[^"\\]|\\.)*"(?!:)`, 'gi'),
    shown: `"$1","${REDACTED}"`,
  },
  {
    pattern: new RegExp(String.raw`\\"(${NAMES}|key)\\": ?\\"[^"\\]*\\"`, 'gi'),
    shown: `\\"$1\\":\\"${REDACTED}\\"`,
  },
  { pattern: new RegExp(String.raw`${BEGIN}(${NAMES})'?: ?'[^'"\\]*'`, 'gi'), shown: `$1: '${REDACTED}'` },
  {
    pattern: new RegExp(
      String.raw`${BEGIN}((?:[\w-]{0,30}(?:token|secret|signature|credential|password)|key|pwd)=)[^\s"\\&,;]+`,
      'gi',
    ),
    shown: `$1${REDACTED}`,
  },
]

/** Most lines have none of the names: this tells it in a fraction of the time. */
const HAS_NAME =
  /token|secret|signature|credential|pass|pwd=|key=|key\\"|api[-_]?key|authorization|cookie|connectionstring/i

/** Secrets that are known by their shape. */
const SHAPED: readonly Rule[] = [
  // RFC 3986 §3.2.1: what stands before the @. A password may have an @ of its own.
  { pattern: /:\/\/[^\s"\\/?#]+@/g, shown: `://${REDACTED}@` },
  { pattern: /(Bearer|Basic) {1,9}[\w.~+/=-]{8,}/gi, shown: `$1 ${REDACTED}` },
  { pattern: /(\/r\/{1,9})[\w-]{16,}/gi, shown: `$1${REDACTED}` },
  // JWS and JWE begin with the base64 of `{"`.
  { pattern: /eyJ[\w.-]{8,}/g, shown: REDACTED },
  { pattern: /whsec_[\w+/=-]{8,}/g, shown: REDACTED },
  { pattern: /ap_[\w-]{27}/g, shown: REDACTED },
  // Bytes: an error of Node's parser carries the packet with all headers.
  { pattern: /"type":"Buffer","data":\[[\d,]*\]/g, shown: '"type":"Buffer"' },
  // PostgreSQL's details name values: `Key (retrieval_token)=(…) already exists`, `Failing row contains (…)`.
  { pattern: /(Key \([^)"\\]{1,200}\)=\()[^"\\]*/g, shown: `$1${REDACTED})` },
  { pattern: /(Failing row contains \()(?:[^"\\]|\\.)*/g, shown: `$1${REDACTED})` },
]

/** As HAS_NAME, for these. */
const HAS_SHAPE = /:\/\/|bearer|basic|\/r\/|eyJ|whsec_|ap_|"Buffer"|Key \(|Failing row/i

/**
 * 160 bits in base64url: a retrieval token, or a key of EDI's IAM, which says nothing else of itself. What is before it is the
 * letter of `\n`, too, which is no part of it.
 */
const CAPABILITY = /(\\[nrt]|[^\w\\-])([\w-]{27})(?![\w-])/g

/**
 * A line of the log, which is JSON, without what a secret looks like, whoever put it there: a driver's message, an error's
 * cause, a header in an object that a library hung on its error. Still JSON: no rule takes a quote or a backslash for good.
 *
 * What it costs doesn't grow faster than the line, as the text may be an enemy's.
 */
export function withoutSecrets(line: string): string {
  const unnamed = HAS_NAME.test(line) ? redactAll(line, NAMED) : line
  const unshaped = HAS_SHAPE.test(unnamed) ? redactAll(unnamed, SHAPED) : unnamed
  return unshaped.replace(CAPABILITY, (all, before: string, text: string) => {
    // Words joined by hyphens, and names of functions, aren't it.
    const isRandom = /[A-Z]/.test(text) && /[a-z]/.test(text) && /\d/.test(text)
    return isRandom ? before + REDACTED : all
  })
}

function redactAll(line: string, rules: readonly Rule[]): string {
  return rules.reduce((text, { pattern, shown }) => text.replace(pattern, shown), line)
}

/**
 * A line of JSON in which nothing ends a line, moves a terminal's cursor or turns the direction of writing: JSON escapes only
 * what is below U+0020. The value stays the same.
 */
export function withoutControls(line: string): string {
  return line.replace(
    // C1 controls, line and paragraph separator, marks of direction, the byte order mark.
    /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Text of a client's, as long as is worth a place in the log. */
export function shortened(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most).toWellFormed()}…`
}
