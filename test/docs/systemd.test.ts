// docs/systemd.md and its unit: what systemd itself says of it without running it, and that it starts what there is.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { configTable, readConfig } from '../../server/config.js'
import { parseDurationSeconds } from '../../server/units.js'
import { markedBlock, readProjectFile } from './shell-blocks.js'

const UNIT = readProjectFile('docs/systemd/antipasto.service')
const page = readProjectFile('docs/systemd.md')

/** Every value of a setting, in order. */
const valuesOf = (name: string) =>
  [...UNIT.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => String(value))

test('it serves as `npm start` does, with settings that the server reads', () => {
  const [command = ''] = valuesOf('ExecStart')
  const { start } = JSON.parse(readProjectFile('package.json')).scripts as { start: string }
  expect(start).toContain(`exec ${command.replace('/usr/bin/', '')}`)
  const known = new Set([...configTable().map(({ name }) => name), 'NODE_ENV'])
  const set = valuesOf('Environment').flatMap((value) => value.split(' ').map((pair) => pair.split('=')[0]))
  expect(set).toContain('DATA_DIR')
  expect(set.filter((name) => !known.has(String(name)))).toEqual([])
})

test('the environment of the manual is taken', () => {
  const lines = markedBlock('docs/systemd.md', 'environment').trim().split('\n')
  const environment = Object.fromEntries(
    lines.map((line) => [line.split('=')[0], line.slice(line.indexOf('=') + 1)]),
  )
  expect(readConfig(environment).publicUrl).toBe('https://staging.example.org')
})

test('a stop has as long as it may take', () => {
  const seconds = (name: string) => {
    const row = configTable().find((each) => each.name === name)
    return parseDurationSeconds(String(row?.default)) ?? Number.NaN
  }
  const [stop] = valuesOf('TimeoutStopSec').map(Number)
  // And what the embedded PostgreSQL may need.
  expect(stop).toBeGreaterThanOrEqual(seconds('STOP_DELAY') + seconds('STOP_TIMEOUT') + 10 + 60)
})

test('the table explains lines of the unit', () => {
  const section = page.split('## What it sets')[1]?.split('\nNot set:')[0] ?? ''
  const named = [...section.matchAll(/^\| (`.+?`)[^|]* \|/gm)].flatMap(([, cell]) =>
    [...String(cell).matchAll(/`([^`]+)`/g)].map(([, line]) => String(line)),
  )
  expect(named.length).toBeGreaterThan(5)
  const lines = UNIT.split('\n')
  expect(named.filter((line) => !lines.includes(line))).toEqual([])
  const notSet = [...(/^Not set: .*/m.exec(page)?.[0] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name)
  expect(notSet.length).toBeGreaterThan(2)
  expect(notSet.filter((name) => valuesOf(String(name)).length > 0)).toEqual([])
})

const isThere = spawnSync('systemd-analyze', ['--version']).status === 0
if (!isThere && process.env.REQUIRE_SYSTEMD === '1')
  throw new Error('REQUIRE_SYSTEMD is set: apt-get install systemd.')
const describeSystemd = isThere ? describe : describe.skip

describeSystemd(`systemd-analyze${isThere ? '' : ' (which is not there)'}`, () => {
  /** @param args the unit's file is the last of them */
  function analyze(...args: string[]) {
    const folder = mkdtempSync(path.join(tmpdir(), 'antipasto-unit-'))
    try {
      const file = path.join(folder, 'antipasto.service')
      // Node is elsewhere on some machines, and a unit must name a program that is there.
      writeFileSync(file, UNIT.replace('/usr/bin/node', process.execPath))
      const { status, stdout, stderr } = spawnSync('systemd-analyze', [...args, file], { encoding: 'utf8' })
      return { status, said: `${stdout}${stderr}` }
    } finally {
      rmSync(folder, { recursive: true })
    }
  }

  test('finds nothing wrong with it', () => {
    const { status, said } = analyze('verify', '--man=no')
    // Of this unit alone: machines have others that warn.
    const ours = said.split('\n').filter((line) => line.includes('antipasto'))
    expect({ status, ours }).toEqual({ status: 0, ours: [] })
  })

  test('calls it little exposed', () => {
    // In tenths: 2.0.
    const { status, said } = analyze('security', '--offline=yes', '--no-pager', '--threshold=20')
    expect(said).toMatch(/Overall exposure level for antipasto.service: [01]\.\d OK/)
    expect(status).toBe(0)
  })

  test('would tell of a line that it does not know', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'antipasto-unit-'))
    const file = path.join(folder, 'antipasto-wrong.service')
    writeFileSync(
      file,
      UNIT.replace('KillMode=mixed', 'KillMood=mixed').replace('/usr/bin/node', process.execPath),
    )
    const { stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' })
    rmSync(folder, { recursive: true })
    expect(stderr).toContain('KillMood')
  })
})
