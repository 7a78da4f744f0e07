// SECURITY.md names tests, files, settings and cryptography. Here all of these are looked for, and ASVS's rows are counted.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from '@jest/globals'
import { settings } from '../server/config/settings.js'
import { configTable } from '../server/config.js'
import { statusOf } from '../server/problem.js'

const ROOT = new URL('../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8')
const written = read('SECURITY.md')
/** Titles may be broken over lines. */
const manual = written.replaceAll(/\n\s+(?=\S)/g, ' ')

/** ASVS 5.0.0: of each section, the levels of its requirements in their order. */
const LEVELS: Readonly<Record<string, readonly number[]>> = {
  '4.1': [1, 2, 2, 3, 3],
  '4.2': [2, 3, 3, 3, 3],
  '4.3': [2, 2],
  '4.4': [1, 2, 2, 2],
  '5.1': [2],
  '5.2': [1, 1, 2, 3, 3, 3],
  '5.3': [1, 1, 3],
  '5.4': [2, 2, 2],
  '8.1': [1, 2, 3, 3],
  '8.2': [1, 1, 2, 3],
  '8.3': [1, 3, 3],
  '8.4': [2, 3],
  '9.1': [1, 1, 1],
  '9.2': [1, 2, 2, 2],
  '11.1': [2, 2, 3, 3],
  '11.2': [2, 2, 2, 3, 3],
  '11.3': [1, 1, 2, 3, 3],
  '11.4': [1, 2, 2, 2],
  '11.5': [2, 3],
  '11.6': [2, 3],
  '11.7': [3, 3],
  '14.1': [2, 2],
  '14.2': [1, 2, 2, 2, 3, 3, 3, 3],
  '14.3': [1, 2, 2],
  '16.1': [2],
  '16.2': [2, 2, 2, 2, 2],
  '16.3': [2, 2, 2, 2],
  '16.4': [2, 2, 2],
  '16.5': [2, 2, 2, 3],
}

describe('What SECURITY.md names', () => {
  const references = [...manual.matchAll(/`(test\/[\w./-]+\.ts)`((?:,? (?:and )?"[^"]+")*)/g)].flatMap(
    ([, file = '', titles = '']): [file: string, title: string][] => {
      const quoted = [...titles.matchAll(/"([^"]+)"/g)].map(([, title]): [string, string] => [
        file,
        String(title),
      ])
      return quoted.length > 0 ? quoted : [[file, '']]
    },
  )

  test('are many tests', () => {
    expect(references.length).toBeGreaterThan(100)
  })

  test.each([...new Map(references.map((one) => [one.join(' '), one])).values()])(
    'is there: %s %s',
    (file, title) => {
      expect(hasTitle(read(file), title)).toBe(true)
    },
  )

  test('of files is there', () => {
    const links = [...manual.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, path]) => String(path))
    const paths = [...manual.matchAll(/`((?:server|client|docs|prisma)\/[\w./-]+|[\w-]+\.(?:yml|md))`/g)]
    const named = [...links, ...paths.map(([, path]) => String(path))]
    expect(named.length).toBeGreaterThan(20)
    expect(named.filter((path) => !existsSync(new URL(path, ROOT)))).toEqual([])
  })

  test('of settings is read by the server', () => {
    const known = new Set(configTable().map(({ name }) => name))
    const secrets = Object.values(settings).flatMap(({ name, ...more }) => ('isSecret' in more ? [name] : []))
    const codes = new Set(Object.keys(statusOf))
    const compose = read('docker-compose.yml')
    const named = [...manual.matchAll(/`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?==|`)/g)].map(([, name]) =>
      String(name),
    )
    const unknown = named.filter(
      (name) =>
        !known.has(name) &&
        !codes.has(name) &&
        !secrets.some((secret) => `${secret}_FILE` === name) &&
        !compose.includes(`\${${name}:-`),
    )
    expect(named.length).toBeGreaterThan(30)
    expect(unknown).toEqual([])
  })

  test('as promised has a test each', () => {
    const promises = sectionOf('What is promised').match(/^- .*(?:\n {2}.*)*/gm) ?? []
    expect(promises.length).toBeGreaterThan(20)
    expect(promises.filter((promise) => !promise.includes('`test/'))).toEqual([])
  })
})

describe("ASVS's rows", () => {
  const rows = [
    ...sectionOf('OWASP ASVS 5.0.0').matchAll(/^\| (\d[\d.]*) \| (\d) \| (.+?) \| (.+) \|$/gm),
  ].map(([, number, level, asked, answer]) => ({
    number: String(number),
    level: Number(level),
    asked: String(asked),
    answer: String(answer),
  }))
  const formOf = (answer: string) => /^\*\*(Holds|Does not apply|Not)\b/.exec(answer)?.[1]

  test('are all of those of V4, V5, V8, V9, V11, V14 and V16, once and in order, with their levels', () => {
    const all = Object.entries(LEVELS).flatMap(([section, levels]) =>
      levels.map((level, index) => ({ number: `${section}.${index + 1}`, level })),
    )
    expect(rows.map(({ number, level }) => ({ number, level }))).toEqual(all)
  })

  test('say what is asked and one of three answers, with words behind it', () => {
    expect(rows.filter(({ asked }) => asked.length < 10)).toEqual([])
    expect(rows.filter(({ answer }) => formOf(answer) === undefined || answer.length < 30)).toEqual([])
  })

  test('that hold name a test, a file or a section', () => {
    const bare = rows.filter(
      ({ answer }) =>
        formOf(answer) === 'Holds' && !/`(test|server)\/|above|"Who may do what"|OpenSSL/.test(answer),
    )
    expect(bare).toEqual([])
  })

  test('are counted right', () => {
    const count = (form: string) => rows.filter(({ answer }) => formOf(answer) === form).length
    expect(manual).toContain(
      `Of ${rows.length} rows ${count('Holds')} hold, ${count('Does not apply')} don't apply, and ${count('Not')} don't hold, or not wholly.`,
    )
  })
})

describe('The cryptography', () => {
  const USES = new RegExp(
    [
      "from 'node:(?:crypto|https|tls)'",
      "from 'jose'",
      "client-s3'",
      's3-request-presigner',
      String.raw`\bcrypto\.(?:subtle|getRandomValues|randomUUID)`,
      String.raw`\bWebAssembly\.Module\b`,
    ].join('|'),
  )

  /** Types alone compute nothing. */
  const isUsed = (source: string) => USES.test(source.replaceAll(/^import type .*$/gm, ''))

  test('All cryptography is in the inventory, and nothing else', () => {
    const inventory = sectionOf('Cryptography')
    const named = new Set(
      [...inventory.matchAll(/`((?:server|client)\/[\w./-]+\.ts)`/g)].map(([, path]) => path),
    )
    const users = [...sourcesIn('server/'), ...sourcesIn('client/')].filter(
      // What the page fetches is the browser's TLS.
      (path) => isUsed(read(path)) || (path.startsWith('server/') && /\bfetch\(/.test(read(path))),
    )
    expect(users.length).toBeGreaterThan(20)
    expect(users.filter((path) => !named.has(path))).toEqual([])
    expect([...named].filter((path) => !users.includes(String(path)))).toEqual([])
  })

  test('The search finds every way to it', () => {
    expect(isUsed("import { hash } from 'node:crypto'")).toBe(true)
    expect(isUsed("import { jwtVerify } from 'jose'")).toBe(true)
    expect(isUsed('crypto.getRandomValues(bytes)')).toBe(true)
    expect(isUsed("import type { Hash } from 'node:crypto'")).toBe(false)
  })
})

/** From its heading to the next one of its rank. */
function sectionOf(title: string): string {
  return written.split(/^## /m).find((section) => section.startsWith(`${title}\n`)) ?? ''
}

/** Whether `title` stands there as a whole string, as titles do; '' stands everywhere. */
function hasTitle(source: string, title: string): boolean {
  if (title === '') return true
  return ["'", '"', '`'].some((quote) => source.includes(`${quote}${title}${quote}`))
}

function sourcesIn(folder: string): string[] {
  return readdirSync(fileURLToPath(new URL(folder, ROOT)), { recursive: true, encoding: 'utf8' })
    .map((path) => `${folder}${path}`)
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts') && !path.includes('/dist/'))
    .sort()
}
