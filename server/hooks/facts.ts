// The facts of an upload as a command and a service get them. Pure.

import type { ContentFacts } from './content-check.js'

/** Everything is there, so that a shell with `set -u` can ask for it; what isn't known is empty. */
export function environmentOf(facts: ContentFacts): Record<string, string> {
  return Object.fromEntries(
    namedFacts(facts).map(([name, value]) => [
      `ANTIPASTO_${name.toUpperCase().replaceAll('-', '_')}`,
      value ?? '',
    ]),
  )
}

/** What isn't known is left out. Percent-encoded, so that `decodeURIComponent` answers what it was. */
export function headersOf(facts: ContentFacts): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of namedFacts(facts)) {
    if (value !== null) headers[`Antipasto-${name}`] = percentEncoded(value)
  }
  return headers
}

function namedFacts(facts: ContentFacts): [name: string, value: string | null][] {
  return [
    ['Upload-Id', facts.id],
    ['Owner', facts.owner],
    ['Filename', facts.filename],
    ['Content-Type', facts.contentType],
    ['Size', String(facts.sizeBytes)],
    ['Md5', facts.digests.md5],
    ['Sha1', facts.digests.sha1],
    ['Sha256', facts.digests.sha256],
    ['Label', facts.label],
    ['Package-Id', facts.packageId],
  ]
}

/** All but visible ASCII; a space too, since HTTP drops those at either end. */
function percentEncoded(text: string): string {
  return text.toWellFormed().replaceAll(/[^!-$&-~]+/g, encodeURIComponent)
}
