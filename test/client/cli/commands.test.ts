// Each command as people and programs use it: the real binary against the real server.

import { createHash } from 'node:crypto'
import { readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { Antipasto } from '../../../client/api/antipasto.js'
import type { Event, Me, Report } from '../../../client/api/types.js'
import { displayWidth } from '../../../client/cli/display-width.js'
import { startServer, type TestServer } from '../../support/server.js'
import { type CliOptions, jsonLines, makeHome, runCli, runInTerminal, startCli } from './run.js'

let server: TestServer
let antipasto: Antipasto
let home: string

beforeAll(async () => {
  server = await startServer()
  antipasto = new Antipasto({ url: server.url, token: server.key })
  home = await makeHome()
})
afterAll(async () => {
  await server.dispose()
  await rm(home, { recursive: true, force: true })
})

/** A label of each test's own keeps them apart. */
let label = ''
let count = 0
beforeEach(() => {
  count += 1
  label = `label-${count}`
})

const cli = (args: readonly string[], options: CliOptions = {}) => runCli(args, { server, home, ...options })
const bytesOf = (text: string) => new TextEncoder().encode(text)

async function stage(
  filename: string,
  over: { text?: string; relativePath?: string; label?: string } = {},
): Promise<Report> {
  const { text = `bytes of ${filename}`, ...facts } = over
  const file = await antipasto.files.create(bytesOf(text), { filename, label, ...facts })
  return antipasto.uploads.report(file.upload_id)
}

const begun = (filename: string, size = 1000) => antipasto.uploads.open({ filename, size, label })

describe('ls', () => {
  test('shows what is there, newest first, in columns; an unfinished one with how far it is', async () => {
    await stage('temperature.csv', { text: 'x'.repeat(4000) })
    await begun('湖の水温.csv')
    const { exitCode, stdout, stderr } = await cli(['ls', '--label', label])
    expect([exitCode, stderr]).toEqual([0, ''])
    const lines = stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(3)
    expect(lines[0]).toMatch(/^STATE +SIZE +AGE +ENDS IN {2}NAME$/)
    expect(lines[1]).toMatch(/^receiving 0 % +1000 B +\d+ s +7 d {2}湖の水温\.csv$/)
    expect(lines[2]).toMatch(/^ready +3\.9 KB +\d+ s +30 d {2}temperature\.csv$/)
  })

  test('--json is one report a line', async () => {
    const report = await stage('a.csv')
    const { stdout } = await cli(['ls', '--label', label, '--json'])
    expect(jsonLines(stdout)).toEqual([{ ...report, expires_in: expect.any(Number) }])
  })

  test('hostile names stay on their line, and the columns below each other', async () => {
    const names = [
      `${'x'.repeat(250)}.csv`,
      'evil\u202evsc.exe',
      '温度'.repeat(30),
      'e\u0301te\u0301.csv',
      'zero\u200bwidth',
      '👩‍🔬.csv',
    ]
    for (const name of names) await begun(name, 5)
    const { screen } = await runInTerminal(['ls', '--label', label, '--no-color'], { server, columns: 80 })
    const lines = screen.trimEnd().split('\n')
    expect(lines).toHaveLength(names.length + 1)
    const nameAt = lines[0]?.indexOf('NAME') ?? 0
    for (const line of lines.slice(1)) {
      expect(displayWidth(line)).toBeLessThanOrEqual(80)
      expect(line.slice(0, nameAt)).toMatch(/^receiving 0 % +5 B +\d+ \w+ +\d+ d {2}$/)
    }
    const long = await runInTerminal(['ls', '--long', '--label', label, '--no-color'], {
      server,
      columns: 80,
    })
    for (const line of long.screen.trimEnd().split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(80)
    expect(long.screen).toMatch(/^[0-9a-f]{40} {2}receiving/m)
    for (const unsafe of ['\u202e', '\u200b', '\u001b[3']) expect(screen).not.toContain(unsafe)
  })

  test('filters by state, by text, by package; an ended one with --all only', async () => {
    const gone = await stage('gone.csv')
    const kept = await stage('kept.csv')
    await antipasto.uploads.remove(gone.id)
    await begun('part.csv')
    const ids = async (...args: string[]) =>
      jsonLines((await cli(['ls', '--json', '--label', label, ...args])).stdout).map(
        (report) => (report as Report).filename,
      )
    expect(await ids()).toEqual(['part.csv', 'kept.csv'])
    expect(await ids('--state', 'ready')).toEqual(['kept.csv'])
    expect(await ids('--state', 'ready', 'receiving')).toEqual(['part.csv', 'kept.csv'])
    expect(await ids('--q', 'kep')).toEqual(['kept.csv'])
    expect(await ids('--package', label)).toEqual(['part.csv', 'kept.csv'])
    expect(await ids('--package', kept.package_id ?? '')).toHaveLength(2)
    expect((await ids('--all')).sort()).toEqual(['gone.csv', 'kept.csv', 'part.csv'])
  })

  test('--long has ids and labels, --packages the packages', async () => {
    const report = await stage('a.csv')
    expect((await cli(['ls', '--long', '--label', label])).stdout).toContain(`${report.id}  ready`)
    const { stdout } = await cli(['ls', '--packages', '--label', label])
    expect(stdout).toMatch(new RegExp(`^open +30 d {2}${report.package_id} {2}${label}$`, 'm'))
    expect(jsonLines((await cli(['ls', '--packages', '--json', '--label', label])).stdout)).toMatchObject([
      { id: report.package_id, label },
    ])
  })

  test('where nothing is, it says so to people alone', async () => {
    expect(await cli(['ls', '--label', 'nowhere'])).toMatchObject({
      exitCode: 0,
      stdout: '',
      stderr: 'Nothing is here.\n',
    })
    expect(await cli(['ls', '--label', 'nowhere', '--json'])).toMatchObject({
      exitCode: 0,
      stdout: '',
      stderr: '',
    })
    expect(await cli(['ls', '--label', 'nowhere', '--quiet'])).toMatchObject({ stdout: '', stderr: '' })
  })

  test('a reader that has seen enough ends it quietly', async () => {
    for (let at = 0; at < 30; at += 1) await begun(`${at}-${'x'.repeat(200)}`)
    const running = startCli(['ls', '--json', '--label', label], { server, home })
    running.child.stdout?.destroy()
    const { exitCode, stderr } = await running.ended
    expect([exitCode, stderr]).toEqual([0, ''])
  })
})

describe('show', () => {
  test('finds by id, URL, retrieval URL, path and name; --json is the report', async () => {
    const report = await stage('a.csv', { relativePath: 'data/2026/a.csv' })
    const words = [
      report.id,
      `${server.url}/uploads/${report.id}`,
      report.retrieval_url ?? '',
      'data/2026/a.csv',
      'a.csv',
    ]
    const { exitCode, stdout } = await cli(['show', ...words, '--label', label, '--json'])
    expect(exitCode).toBe(0)
    expect(jsonLines(stdout)).toEqual(words.map(() => ({ ...report, expires_in: expect.any(Number) })))
  })

  test('for people: what it is, its checksums, its URL', async () => {
    const report = await stage('a.csv', { text: 'hello' })
    const { stdout } = await cli(['show', report.id])
    expect(stdout).toContain('  size      5 bytes\n')
    expect(stdout).toContain(`  sha256    ${createHash('sha256').update('hello').digest('hex')}\n`)
    expect(stdout).toContain(`  URL       ${report.retrieval_url}\n`)
    expect(stdout).toMatch(/ends {6}\d+ \w{3} \d{4}, \d\d:\d\d UTC \(in 30 days\)/)
  })

  test('a package by its id', async () => {
    const { package_id } = await stage('a.csv')
    const { stdout } = await cli(['show', package_id ?? ''])
    expect(stdout).toMatch(/^ {2}files +1: 1 ready$/m)
  })

  test('one that is missing does not stop the rest: 3; all missing: 1', async () => {
    const report = await stage('a.csv')
    const some = await cli(['show', 'nothing.csv', report.id, '--label', label])
    expect(some).toMatchObject({ exitCode: 3, stdout: expect.stringContaining(report.id) })
    expect(some.stderr).toBe(
      'antipasto: Nothing here is called nothing.csv. See `antipasto ls` for what there is; --package or --label says where.\n',
    )
    expect(await cli(['show', 'nothing.csv', 'f'.repeat(40)])).toMatchObject({ exitCode: 1, stdout: '' })
    const { stdout } = await cli(['show', 'nothing.csv', report.id, '--label', label, '--json'])
    expect(jsonLines(stdout)).toMatchObject([
      { target: 'nothing.csv', error: { code: 'FAILED' } },
      { id: report.id },
    ])
  })

  test('a name of several is not guessed at', async () => {
    const first = await stage('a.csv', { relativePath: '1/a.csv' })
    const second = await stage('a.csv', { relativePath: '2/a.csv' })
    const { exitCode, stderr } = await cli(['show', 'a.csv', '--label', label])
    expect(exitCode).toBe(1)
    expect(stderr).toContain(first.id)
    expect(stderr).toContain(second.id)
    expect((await cli(['show', '2/a.csv', '--label', label, '--json'])).stdout).toContain(second.id)
  })
})

describe('url', () => {
  test('is a URL that the bytes are had from; --renew makes the old one dead', async () => {
    const report = await stage('a.csv', { text: 'hello' })
    const { stdout } = await cli(['url', report.id])
    expect(stdout).toBe(`${report.retrieval_url}\n`)
    const renewed = (await cli(['url', report.id, '--renew'])).stdout.trim()
    expect(renewed).not.toBe(report.retrieval_url)
    expect(await (await fetch(renewed)).text()).toBe('hello')
    expect((await fetch(report.retrieval_url ?? '')).status).toBe(404)
  })

  test('an unfinished upload has none', async () => {
    const { id } = await begun('part.csv')
    expect(await cli(['url', id])).toMatchObject({
      exitCode: 1,
      stderr: 'antipasto: part.csv has no URL: it is receiving, 0 B of 1000 B (0 %).\n',
    })
  })
})

describe('extend', () => {
  test('by so much, until a day, an upload and a package', async () => {
    const report = await stage('a.csv')
    const { exitCode, stdout } = await cli(['extend', report.id, '--by', '2d', '--json'])
    expect(exitCode).toBe(0)
    const [extended] = jsonLines(stdout) as Report[]
    const day = 86_400_000
    expect(Date.parse(extended?.expires_at ?? '') - Date.parse(report.expires_at ?? '')).toBe(2 * day)

    const until = new Date(Date.now() + 60 * day).toISOString().slice(0, 10)
    expect(
      await cli(['extend', report.package_id ?? '', '--until', until, '--reason', 'Review.']),
    ).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^label-\d+ is kept until /),
    })
    const { retention, expires_at } = await antipasto.packages.get(report.package_id ?? '')
    expect(retention.extensions.map(({ reason }) => reason)).toEqual(['Review.'])
    expect(expires_at).toBe(`${until}T23:59:59.000Z`)
  })

  test.each([
    [[], 'Give either --until or --by'],
    [['--by', '2d', '--until', '2027-01-01'], 'Give either --until or --by'],
    [['--by', 'soon'], 'written like 12h, 30d or 2w'],
    [['--until', 'tomorrow'], 'written like 2027-06-30'],
  ])('%j is wrong usage', async (options, words) => {
    const { exitCode, stderr } = await cli(['extend', 'x', ...options])
    expect(exitCode).toBe(2)
    expect(stderr).toContain(words)
  })

  test('an end before the one that is, is refused by the server', async () => {
    const { id } = await stage('a.csv')
    expect((await cli(['extend', id, '--until', '2020-01-01'])).exitCode).toBe(1)
  })
})

describe('rm', () => {
  test('refuses without --yes where nobody can be asked, before anything is done', async () => {
    const { id } = await stage('a.csv')
    expect(await cli(['rm', id])).toMatchObject({
      exitCode: 2,
      stderr:
        'antipasto: Nothing was deleted: there is no terminal to ask at. Say --yes when you are sure.\n',
    })
    expect((await antipasto.uploads.report(id)).state).toBe('ready')
  })

  test('deletes what it can, and says what it could not', async () => {
    const first = await stage('1.csv')
    const second = await begun('2.csv')
    const result = await cli(['rm', '1.csv', 'nothing.csv', '2.csv', '--label', label, '--yes'])
    expect(result).toMatchObject({ exitCode: 3, stdout: 'Deleted 1.csv.\nDeleted 2.csv.\n' })
    expect(result.stderr).toContain('nothing.csv')
    expect((await antipasto.uploads.report(first.id)).state).toBe('deleted')
    expect((await antipasto.uploads.report(second.id)).state).toBe('canceled')
  })

  test('at a terminal it asks, and Enter is no', async () => {
    const { id } = await stage('a.csv')
    const no = await runInTerminal(['rm', id], { server, typed: '\r' })
    expect(no.exitCode).toBe(1)
    expect(no.screen).toMatch(/a\.csv \(14 B, ready\)\n.*Delete it for good\? \[y\/N\]/)
    expect((await antipasto.uploads.report(id)).state).toBe('ready')
    const yes = await runInTerminal(['rm', id], { server, typed: 'y\r' })
    expect([yes.exitCode, yes.screen.includes('Deleted a.csv.')]).toEqual([0, true])
    expect((await antipasto.uploads.report(id)).state).toBe('deleted')
  })

  test('--package alone deletes all of it', async () => {
    const { id, package_id } = await stage('a.csv')
    expect((await cli(['rm', '--package', label, '--yes', '--json'])).stdout).toBe(
      `${JSON.stringify({ id: package_id, name: label, deleted: true })}\n`,
    )
    expect((await antipasto.uploads.report(id)).state).toBe('deleted')
    expect((await cli(['rm', '--yes'])).exitCode).toBe(2)
  })
})

describe('manifest', () => {
  test('is the server’s, byte for byte, as JSON and as CBOR', async () => {
    const { package_id } = await stage('a.csv')
    const early = await cli(['manifest', label])
    expect(early.exitCode).toBe(1)
    expect(early.stderr).toContain('not finalized. Push its files with --finalize')
    const { manifest_sha256 } = await antipasto.packages.finalize(package_id ?? '')

    const { stdout } = await cli(['manifest', label])
    expect(stdout).toBe(new TextDecoder().decode(await antipasto.packages.manifest(package_id ?? '', 'json')))
    const written = await cli(['manifest', package_id ?? '', '--cbor', '-o', 'm.cbor', '--json'])
    const bytes = await readFile(path.join(home, 'm.cbor'))
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(manifest_sha256)
    expect(jsonLines(written.stdout)).toMatchObject([{ package_id, file: 'm.cbor', sha256: manifest_sha256 }])
    expect((await cli(['manifest', label, '--cbor', '--json'])).exitCode).toBe(2)
  })

  test('a folder that is not there is said in one line', async () => {
    const { package_id } = await stage('a.csv')
    await antipasto.packages.finalize(package_id ?? '')
    const { exitCode, stderr } = await cli(['manifest', label, '-o', 'no/such/m.json'])
    expect(exitCode).toBe(1)
    expect(stderr).toMatch(
      /^antipasto: .*no\/such\/m\.json.* is not there, or the folder that it should be in isn't\.\n$/,
    )
  })
})

describe('eml', () => {
  const document = (...names: string[]) =>
    `<eml:eml xmlns:eml="https://eml.ecoinformatics.org/eml-2.2.0" packageId="x.1.1" system="s"><dataset>${names
      .map(
        (name) =>
          `<otherEntity><entityName>${name}</entityName><physical><objectName>${name}</objectName></physical><entityType>csv</entityType></otherEntity>`,
      )
      .join('')}</dataset></eml:eml>\n`

  test('show prints the element', async () => {
    const { id } = await stage('a.csv')
    const { stdout } = await cli(['eml', 'show', id])
    expect(stdout.trimEnd()).toBe((await antipasto.uploads.eml(id)).trimEnd())
    expect(stdout).toContain('<objectName>a.csv</objectName>')
  })

  test('patch writes the document, tells what matched, is missing and unused: 3', async () => {
    const { retrieval_url } = await stage('a.csv')
    await stage('b.csv')
    await writeFile(path.join(home, 'in.xml'), document('a.csv', 'nowhere.csv'))
    const { exitCode, stdout, stderr } = await cli([
      'eml',
      'patch',
      'in.xml',
      '--label',
      label,
      '-o',
      'out.xml',
    ])
    expect(exitCode).toBe(3)
    expect(stdout).toBe(
      'matched  a.csv\nmissing  nowhere.csv: no file of this name is here\nunused   b.csv\n',
    )
    expect(stderr).toBe('The document is in out.xml.\n')
    expect(await readFile(path.join(home, 'out.xml'), 'utf8')).toContain(`>${retrieval_url}</url>`)
    expect(await readFile(path.join(home, 'in.xml'), 'utf8')).toBe(document('a.csv', 'nowhere.csv'))
  })

  test('without -o the document is on stdout, and the rest beside it; from stdin, too', async () => {
    await stage('a.csv')
    const { exitCode, stdout, stderr } = await cli(['eml', 'patch', '-', '--package', label], {
      input: document('a.csv'),
    })
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^<eml:eml.*<url .*<\/eml:eml>\n$/s)
    expect(stderr).toBe('matched  a.csv\n')
    const [patch] = jsonLines(
      (await cli(['eml', 'patch', '-', '--label', label, '--json'], { input: document('a.csv') })).stdout,
    )
    expect(patch).toMatchObject({ document: stdout, matched: [{ path: 'a.csv' }], missing: [], unused: [] })
  })

  test('--in-place keeps the rights of the file, and a link a link', async () => {
    await stage('a.csv')
    const [file, link] = [path.join(home, 'mine.xml'), path.join(home, 'link.xml')]
    await writeFile(file, document('a.csv'), { mode: 0o640 })
    await symlink('mine.xml', link)
    expect((await cli(['eml', 'patch', link, '--label', label, '--in-place'])).exitCode).toBe(0)
    expect(await readFile(file, 'utf8')).toContain('<url ')
    expect((await stat(file)).mode & 0o777).toBe(0o640)
    expect(await readFile(link, 'utf8')).toBe(await readFile(file, 'utf8'))
  })

  test.each([
    [['in.xml'], 2, 'Give either --package or --label'],
    [['in.xml', '--label', 'x', '--in-place', '-o', 'y'], 2, 'either -o or --in-place'],
    [['-', '--label', 'x', '--in-place'], 2, 'no place to write to'],
    [['none.xml', '--label', 'x'], 1, 'none.xml is not there'],
  ])('%j is refused', async (args, exitCode, words) => {
    const result = await cli(['eml', 'patch', ...args])
    expect(result).toMatchObject({ exitCode, stderr: expect.stringContaining(words) })
  })

  test('what is not XML is refused by the server, and the file stays', async () => {
    await stage('a.csv')
    await writeFile(path.join(home, 'bad.xml'), '<a><b></a>')
    const { exitCode, stderr } = await cli(['eml', 'patch', 'bad.xml', '--label', label, '--in-place'])
    expect([exitCode, stderr.split('\n')]).toEqual([1, [expect.stringMatching(/^antipasto: /), '']])
    expect(await readFile(path.join(home, 'bad.xml'), 'utf8')).toBe('<a><b></a>')
  })
})

describe('events', () => {
  test('tells what has happened, in order, of the types that are wanted', async () => {
    const { id } = await stage('a.csv')
    const { stdout } = await cli(['events', '--json', '--type', 'upload.ready', 'upload.created'])
    const events = (jsonLines(stdout) as Event[]).filter(({ upload_id }) => upload_id === id)
    expect(events.map(({ type }) => type)).toEqual(['upload.created.v1', 'upload.ready.v1'])
    const since = events[0]?.sequence ?? 0
    const line = (await cli(['events', '--since', String(since)])).stdout
    expect(line).toMatch(/^ +\d+ {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ {2}upload\.ready {8}a\.csv \(14 B\)$/m)
  })

  test('--follow goes on until ctrl-C: 130, without a stack', async () => {
    const running = startCli(['events', '--follow', '--json'], { server, home })
    const { id } = await stage('later.csv')
    while (!running.stdout().includes(id)) await new Promise((resolve) => setTimeout(resolve, 20))
    running.kill('SIGINT')
    const { exitCode, stderr } = await running.ended
    expect([exitCode, stderr]).toEqual([130, ''])
  })

  test('types and sequences that there are not', async () => {
    expect((await cli(['events', '--type', 'upload.redy'])).stderr).toMatch(
      /Allowed choices are upload\.created/,
    )
    expect((await cli(['events', '--since', '-1'])).exitCode).toBe(2)
  })
})

describe('whoami', () => {
  test('for people and for programs', async () => {
    const { stdout } = await cli(['whoami'])
    expect(stdout).toMatch(/^ {2}may +upload, read, delete$/m)
    expect(stdout).toMatch(/^ {2}credential +from ANTIPASTO_TOKEN$/m)
    const [me] = jsonLines((await cli(['whoami', '--json'])).stdout) as Me[]
    expect(me).toEqual({ ...(await antipasto.me()), usage: expect.any(Object) })
  })
})
