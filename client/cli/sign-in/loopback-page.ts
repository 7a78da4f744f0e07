// What the browser shows when it comes back from the sign-in. Pure.

export type LoopbackEnd = 'done' | 'refused'

const WORDS = {
  done: ['You can close this window', 'antipasto has what it needs. Go on in the terminal.'],
  refused: ['The sign-in did not succeed', 'No token came back. Try again in the terminal.'],
} as const

export function loopbackPage(end: LoopbackEnd): string {
  const [title, text] = WORDS[end]
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<h1>${title}</h1>
<p>${text}</p>
</html>
`
}

/** Nothing is loaded, nothing is kept, nobody is told where one came from. */
export const PAGE_HEADERS = {
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy':
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cache-Control': 'no-store',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  Connection: 'close',
} as const
