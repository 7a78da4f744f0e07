// What people call an upload or a package, and how that is found: ids, URLs, paths and names, labels.

import type { Antipasto } from '../api/antipasto.js'
import { Gone, NotFound } from '../api/errors.js'
import type { Package, Report } from '../api/types.js'
import { CommandFailed, EXIT } from './exit-code.js'

export interface Scope {
  /** Only among the uploads of this package (an id or a label). */
  package?: string | undefined
  label?: string | undefined
}

export type Target =
  | { kind: 'id'; id: string }
  | { kind: 'retrieval URL'; url: string; filename: string }
  | { kind: 'name'; name: string }

/** The most that a name may stand for until it is called ambiguous. */
const MOST_NAMED = 3
/** `q` takes no more. */
const MOST_QUERY_CHARACTERS = 200

/**
 * What `word` can be: an id, the URL of an upload, the URL that its bytes are had from, or else a name. Pure.
 *
 * @throws CommandFailed (2) for the URL of another server
 */
export function readTarget(word: string, serverUrl: string): Target {
  if (isId(word)) return { kind: 'id', id: word }
  if (!/^https?:\/\//i.test(word) || !URL.canParse(word))
    return { kind: 'name', name: word.replace(/^\.\//, '') }
  const url = new URL(word)
  const [, kind, first = '', filename = ''] =
    /\/(uploads|packages|r)\/([^/]+)(?:\/([^/]+))?\/?$/.exec(url.pathname) ?? []
  // A retrieval URL may be of another origin (RETRIEVAL_URL), and its token finds nothing at another server.
  if (kind === 'r') return { kind: 'retrieval URL', url: url.href, filename: decoded(filename) }
  if (url.origin !== new URL(serverUrl).origin) {
    throw new CommandFailed(`${word} is at another server than ${serverUrl}.`, {
      exitCode: EXIT.usage,
      hint: 'Name that one by --url.',
    })
  }
  if (kind !== undefined) return { kind: 'id', id: decoded(first) }
  throw new CommandFailed(`${word} is not the URL of an upload.`, { exitCode: EXIT.usage })
}

/** As the server makes them for uploads and packages: 40 hex digits. */
function isId(word: string): boolean {
  return /^[0-9a-f]{40}$/.test(word)
}

/** @throws NotFound, or CommandFailed when nothing or more than one has that name */
export async function findUpload(
  antipasto: Antipasto,
  word: string,
  scope: Scope,
  signal: AbortSignal,
): Promise<Report> {
  const target = readTarget(word, antipasto.connection.url)
  if (target.kind === 'id') return antipasto.uploads.report(target.id, signal)
  const matches =
    target.kind === 'name'
      ? (report: Report) => report.relative_path === target.name || report.filename === target.name
      : (report: Report) => report.retrieval_url === target.url
  const found = await reportsWhere(antipasto, matches, {
    text: target.kind === 'name' ? target.name : target.filename,
    scope,
    signal,
  })
  // "data/a.csv" is one file, even where another package has it as a file name.
  const byPath = found.filter(({ relative_path }) => target.kind === 'name' && relative_path === target.name)
  const [only, ...others] = byPath.length > 0 ? byPath : found
  if (only === undefined) {
    throw new CommandFailed(`Nothing here is called ${word}.`, {
      hint: 'See `antipasto ls` for what there is; --package or --label says where.',
    })
  }
  if (others.length > 0) {
    const ids = [only, ...others].slice(0, MOST_NAMED).map(({ id }) => id)
    throw new CommandFailed(
      `More than one upload is called ${word}: ${ids.join(', ')}${others.length + 1 > MOST_NAMED ? ' …' : ''}.`,
      {
        hint: 'Name one by its id, or say where by --package or --label.',
      },
    )
  }
  return only
}

/** A package by its id or its label: the newest that lives. @throws NotFound, CommandFailed */
export async function findPackage(antipasto: Antipasto, word: string, signal: AbortSignal): Promise<Package> {
  const target = readTarget(word, antipasto.connection.url)
  if (target.kind === 'id') return antipasto.packages.get(target.id, signal)
  const { done, value } = await antipasto.packages.list({ label: word }, signal).next()
  if (done === true) {
    throw new CommandFailed(`No package has the label ${word}.`, { hint: 'See `antipasto ls --packages`.' })
  }
  return antipasto.packages.get(value.id, signal)
}

/** The id of what --package names: of a label, its newest package's. */
export async function packageIdOf(antipasto: Antipasto, word: string, signal: AbortSignal): Promise<string> {
  return isId(word) ? word : (await findPackage(antipasto, word, signal)).id
}

/** An upload, or where none has that id, a package. */
export async function findEither(
  antipasto: Antipasto,
  word: string,
  scope: Scope,
  signal: AbortSignal,
): Promise<{ report: Report } | { package: Package }> {
  const target = readTarget(word, antipasto.connection.url)
  try {
    return { report: await findUpload(antipasto, word, scope, signal) }
  } catch (error) {
    if (!(error instanceof NotFound) || target.kind !== 'id') throw error
    try {
      return { package: await antipasto.packages.get(target.id, signal) }
    } catch (second) {
      throw second instanceof Gone ? second : error
    }
  }
}

async function reportsWhere(
  antipasto: Antipasto,
  matches: (report: Report) => boolean,
  { text, scope, signal }: { text: string; scope: Scope; signal: AbortSignal },
): Promise<Report[]> {
  const found: Report[] = []
  const list = antipasto.uploads.list(
    {
      ...(text === '' ? {} : { q: text.slice(-MOST_QUERY_CHARACTERS) }),
      ...(scope.label === undefined ? {} : { label: scope.label }),
      ...(scope.package === undefined
        ? {}
        : { package_id: await packageIdOf(antipasto, scope.package, signal) }),
    },
    signal,
  )
  for await (const report of list) {
    if (matches(report)) found.push(report)
    if (found.length > MOST_NAMED) break
  }
  return found
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
