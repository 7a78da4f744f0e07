// The operator's pages: each command in them is run by a suite, or said not to be; what they name is there.

import { existsSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { settings } from '../../server/config/settings.js'
import { configTable } from '../../server/config.js'
import { statusOf } from '../../server/problem.js'
import { readProjectFile, type ShellBlock, shellBlocksIn, shellBlocksOf } from './shell-blocks.js'

const PAGES = [
  'operate',
  'sizing',
  'nginx',
  'systemd',
  'compose',
  's3',
  'iam',
  'monitoring',
  'backup',
  'upgrade',
  'lifecycle',
  'tracing',
  'troubleshooting',
  'reliability',
].map((name) => `docs/${name}.md`)

const isThere = (path: string) => existsSync(new URL(`../../../${path}`, import.meta.url))

/** What is wrong with the mark of a block on `page`; undefined when it is in order. */
function faultOf(page: string, { marker, section }: ShellBlock): string | undefined {
  const suite = /^run by (test\/[\w./-]+\.test\.ts)$/.exec(marker ?? '')?.[1]
  if (suite !== undefined) {
    if (!isThere(suite)) return `${suite} is not there`
    return readsPage(readProjectFile(suite), page) ? undefined : `${suite} does not read ${page}`
  }
  if (!/^not run here: \S/.test(marker ?? ''))
    return 'neither "run by test/….test.ts" nor "not run here: why"'
  return /not run here/i.test(section) ? undefined : 'readers are not told that it was not run here'
}

const readsPage = (source: string, page: string) =>
  ["'", '"', '`', '/'].some((before) => source.includes(`${before}${page.replace('docs/', '')}`))

describe('each command is run by a suite that reads the page, or said not to be run here', () => {
  test.each(PAGES)('%s', (page) => {
    const faults = shellBlocksOf(page).flatMap((block) => {
      const fault = faultOf(page, block)
      return fault === undefined ? [] : [`${page}:${block.line}: ${fault}`]
    })
    expect(faults).toEqual([])
  })

  const block = (above: string, text = '') =>
    shellBlocksIn(
      `# A page\n${text}\n${above}\n\`\`\`sh\n# A comment\nls\n\`\`\`\n\n# Another\nNot run here.\n`,
    )[0] as ShellBlock

  test.each<[string, ShellBlock, RegExp | undefined]>([
    ['no mark', block(''), /neither/],
    ['a mark of another form', block('<!-- policy -->'), /neither/],
    ['no reason', block('<!-- not run here: -->'), /neither/],
    ['a suite that is not there', block('<!-- run by test/docs/none.test.ts -->'), /is not there/],
    ['a suite that knows nothing of the page', block('<!-- run by test/units.test.ts -->'), /does not read/],
    ['a suite that reads it', block('<!-- run by test/docs/walkthrough.test.ts -->'), undefined],
    ['nothing that a reader sees', block('<!-- not run here: no engine -->'), /readers are not told/],
    [
      'a sentence for readers',
      block('<!-- not run here: no engine -->', 'This was not run here.'),
      undefined,
    ],
  ])('a block with %s', (_, given, fault) => {
    const found = faultOf('docs/walkthrough.md', given)
    if (fault === undefined) expect(found).toBeUndefined()
    else expect(found).toMatch(fault)
  })

  test('a block is found with its code, its line and its language', () => {
    expect(block('<!-- policy -->')).toMatchObject({
      language: 'sh',
      code: '# A comment\nls\n',
      line: 4,
      marker: 'policy',
    })
    expect(shellBlocksIn('```json\n{}\n```\n\n```bash title\nls\n```\n')).toHaveLength(1)
  })
})

describe('what the pages name', () => {
  test.each(PAGES)('%s links to pages and sections that are there', (page) => {
    const links = [...readProjectFile(page).matchAll(/\]\((?!https?:)([^)]+)\)/g)].map(([, target]) =>
      String(target),
    )
    const broken = links.filter((link) => {
      const [path = '', section] = link.split('#')
      const target = path === '' ? page : new URL(path, `file:///${page}`).pathname.slice(1)
      return !isThere(target) || (section !== undefined && !hasSection(readProjectFile(target), section))
    })
    expect(broken).toEqual([])
  })

  test.each(PAGES)('%s names settings that the server reads', (page) => {
    const known = new Set([
      ...configTable().map(({ name }) => name),
      ...Object.values(settings).flatMap(({ name, ...more }) => ('isSecret' in more ? [`${name}_FILE`] : [])),
      ...Object.keys(statusOf),
    ])
    // Of other programs (the SDK, Docker, PostgreSQL, the tests), values of settings, and what a page's own commands are given.
    const foreign =
      /^(AWS|TEST|REQUIRE|GARAGE|POSTGRES|MINIO|NODE|PG|BENCH|FAULTS|WHEN)_|^S3_(ACCESS|SECRET)_KEY$|^(OWNER_URL)$/
    const named = [...readProjectFile(page).matchAll(/`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?==|`)/g)].map(
      ([, name]) => String(name),
    )
    expect(named.filter((name) => !known.has(name) && !foreign.test(name))).toEqual([])
  })

  test('the entry leads to every page', () => {
    const entry = readProjectFile('docs/operate.md')
    const others = PAGES.map((page) => page.replace('docs/', '')).filter((name) => name !== 'operate.md')
    expect(others.filter((name) => !entry.includes(`](${name})`))).toEqual([])
  })
})

/** By GitHub's names for headings. */
function hasSection(text: string, section: string): boolean {
  return [...text.matchAll(/^#+ (.+)$/gm)].some(([, title = '']) => slugOf(title) === section)
}

function slugOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-')
}
