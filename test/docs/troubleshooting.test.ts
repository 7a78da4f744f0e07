// docs/troubleshooting.md against what the server has: every code with its status, every line of the log that may worry somebody,
// and the commands, run as they stand there.

import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import { statusOf } from '../../server/problem.js'
import { startServer } from '../support/server.js'
import { readProjectFile, shellBlocksOf } from './shell-blocks.js'

const PAGE = 'docs/troubleshooting.md'
const page = readProjectFile(PAGE)
const SERVER = fileURLToPath(new URL('../../../server/', import.meta.url))

const sectionOf = (title: string) => page.split(/^## /m).find((text) => text.startsWith(`${title}\n`)) ?? ''

const sources = await Promise.all(
  (await readdir(SERVER, { recursive: true }))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFile(path.join(SERVER, name), 'utf8')),
)
const server = sources.join('\n')

describe('the codes', () => {
  const sections = sectionOf('By code')
    .split(/^### /m)
    .slice(1)
    .map((text) => {
      const [code = '', , facts = ''] = text.split('\n')
      return { code, facts, text: text.split('\n').slice(4).join('\n').trim() }
    })

  test('each has a section, and no other, in the order of their statuses', () => {
    const codes = sections.map(({ code }) => code)
    expect([...codes].sort()).toEqual(Object.keys(statusOf).sort())
    const statuses = codes.map((code) => statusOf[code as keyof typeof statusOf])
    expect(statuses).toEqual([...statuses].sort((one, other) => one - other))
  })

  test.each(sections)('$code says its status, who causes it, and what to do', ({ code, facts, text }) => {
    expect(facts).toMatch(
      new RegExp(`^Status ${statusOf[code as keyof typeof statusOf]} · (client|operator)\\b`),
    )
    expect(text.length).toBeGreaterThan(50)
  })
})

describe('the lines of the log', () => {
  // Of a call all that is between its parentheses, of which the text is the last that is quoted.
  const CALL = /\blog\.(?:warn|error|fatal)\(((?:[^()]|\([^()]*\))*)\)/g
  const TEXT = /'([^'\n]+)'|"([^"\n]+)"/g
  const logged = [...server.matchAll(CALL)].map(([, given = '']) =>
    String([...given.matchAll(TEXT)].at(-1)?.slice(1).find(Boolean)),
  )
  // Of requests: they stand in the section above.
  const ofRequests = new Set(['request failed', 'request refused'])
  const told = [...sectionOf('Lines in the log').matchAll(/^\| \**`([^`]+)`\** \|/gm)].map(([, text]) => text)

  test('that may worry somebody are all told', () => {
    expect(logged.length).toBeGreaterThan(20)
    expect([...new Set(logged)].filter((text) => !ofRequests.has(text) && !told.includes(text))).toEqual([])
  })

  test('that are told are all written', () => {
    expect(told.filter((text) => text !== 'msg' && !server.includes(String(text)))).toEqual([])
  })
})

test('the metrics and alerts that it names are those of monitoring.md', () => {
  const monitoring = readProjectFile('docs/monitoring.md')
  const named = [...page.matchAll(/`(antipasto_\w+|Antipasto\w+)/g)].map(([, name]) => String(name))
  expect(named.length).toBeGreaterThan(8)
  expect(named.filter((name) => !monitoring.includes(`| \`${name}\` |`))).toEqual([])
})

test('what a start or an answer is said to say, the server says', () => {
  const starts = [...sectionOf('It does not start').matchAll(/^\| (`.+?`) \|/gm)].flatMap(([, cell]) =>
    [...String(cell).matchAll(/`([^`]+)`/g)].map(([, text]) => String(text)),
  )
  const details = [...sectionOf('By code').matchAll(/^\| ([A-Z][^|]+?) \| /gm)]
    .map(([, cell]) => String(cell))
    .filter((cell) => !cell.startsWith('`'))
    .flatMap((cell) => cell.split(', '))
  const byOthers = new Set(['permission denied', 'No instance answers'])
  const said = [...starts, ...details]
    .filter((text) => !byOthers.has(text))
    .flatMap((text) => text.split(' … '))
  expect(said.length).toBeGreaterThan(20)
  expect(said.filter((text) => !server.includes(text))).toEqual([])
})

test('from a request’s id to its lines, from an upload to its life, from all to the counts of codes', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'antipasto-log-'))
  const running = await startServer()
  try {
    const headers = { Authorization: `Bearer ${running.key}` }
    const refused = await fetch(`${running.url}/uploads/no-such-upload`, { headers })
    const { request_id: requestId, code } = (await refused.json()) as { request_id: string; code: string }
    expect(code).toBe('NOT_FOUND')
    await fetch(`${running.url}/uploads`, { headers })
    await running.stop()
    await writeFile(path.join(folder, 'antipasto.log'), running.logs())

    const [byRequest, byUpload] = shellBlocksOf(PAGE).filter(({ marker }) => marker?.startsWith('run by'))
    const run = async (script: string | undefined, env: Record<string, string>) => {
      // The last grep finds nothing slow here, which is its exit code 1.
      const options = { cwd: folder, env: { PATH: process.env.PATH, ...env } }
      const { stdout } = await promisify(execFile)('sh', ['-c', `${script}true`], options)
      return stdout
    }
    const found = (await run(byRequest?.code, { REQUEST_ID: requestId })).trim().split('\n')
    expect(found.map((line) => JSON.parse(line).msg).sort()).toEqual(['request', 'request refused'])
    const lives = await run(byUpload?.code, { UPLOAD_ID: 'no-such-upload' })
    expect(lives).toMatch(/^\{.*"upload_id":"no-such-upload".*\}$/m)
    expect(lives).toMatch(/^ +2 "code":"NOT_FOUND"$/m)
  } finally {
    await running.dispose()
    await rm(folder, { recursive: true, force: true })
  }
})
