// docs/cli.md says what --help says: every command, option, exit code and variable, and none that isn't there.

import { readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import type { Command } from 'commander'
import { EXIT } from '../../../client/cli/exit-code.js'
import { createProgram } from '../../../client/cli/program.js'
import { runCli } from './run.js'

const root = new URL('../../../../', import.meta.url)
const manual = readFileSync(new URL('docs/cli.md', root), 'utf8')
const settings = readFileSync(new URL('client/cli/settings.ts', root), 'utf8')

/** The commands below, and those below them, by what is typed. */
function everyCommand(command: Command, path = 'antipasto'): [string, Command][] {
  return command.commands.flatMap((below): [string, Command][] => {
    const name = `${path} ${below.name()}`
    return [[name, below], ...everyCommand(below, name)]
  })
}

const commands = everyCommand(createProgram())
const sections = new Map(
  manual
    .split(/^### /m)
    .slice(1)
    .map((text) => [/^`(antipasto [a-z ]*[a-z])/.exec(text)?.[1] ?? text, text.split(/^## /m)[0] ?? '']),
)
const optionsIn = (text: string) => [...text.matchAll(/^\| `(-[^`]+)` \|/gm)].map(([, flags]) => flags)
const optionsOf = (command: Command) =>
  command.options.filter(({ hidden }) => !hidden).map(({ flags }) => flags)

describe('docs/cli.md', () => {
  test('has every command, and none else', () => {
    expect([...sections.keys()].sort()).toEqual(commands.map(([name]) => name).sort())
  })

  test.each(commands)('%s: its options and arguments', (name, command) => {
    const section = sections.get(name) ?? ''
    expect(optionsIn(section)).toEqual(optionsOf(command))
    for (const argument of command.registeredArguments)
      expect(section.split('\n')[0]).toContain(argument.name())
  })

  test('the options of every command', () => {
    expect(optionsIn(manual.split(/^### /m)[0] ?? '')).toEqual(optionsOf(createProgram()))
  })

  test('the exit codes', () => {
    const codes = [...manual.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code))
    expect(codes).toEqual(Object.values(EXIT))
  })

  test('the variables', () => {
    const read = new Set(
      [...settings.matchAll(/'(ANTIPASTO_\w+|NO_COLOR|FORCE_COLOR|\w+_PROXY|XDG_\w+)'/g)].map(
        ([, name]) => name,
      ),
    )
    expect(read.size).toBeGreaterThan(8)
    for (const name of read) expect(manual).toContain(`\`${name}\``)
  })
})

describe('--help', () => {
  test.each(commands)('%s has examples, and exits with 0', async (name) => {
    const { exitCode, stdout, stderr } = await runCli([...name.split(' ').slice(1), '--help'])
    expect([exitCode, stderr]).toEqual([0, ''])
    expect(stdout).toContain(`Usage: ${name}`)
    // A command of commands has theirs.
    if (name !== 'antipasto eml') expect(stdout).toContain(`  $ ${name}`)
    expect(stdout).toContain('--json')
  })

  test('waits for nothing that only runs need', async () => {
    const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { version: string }
    const { exitCode, stdout, stderr } = await runCli(['--version'], { env: { NODE_DEBUG: 'esm' } })
    expect([exitCode, stdout]).toEqual([0, `${version}\n`])
    expect(stderr).toMatch(/commander/)
    for (const heavy of ['undici', 'tus-js-client', 'cli-truncate', 'log-update']) {
      expect(stderr).not.toContain(`node_modules/${heavy}/`)
    }
  })
})
