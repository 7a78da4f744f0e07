// The scripts in the shells that they are for, as a person presses Tab.

import { execFile, spawnSync } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Command, Option } from 'commander'
import { completionTree } from '../../../client/cli/completion/tree.js'
import { createProgram } from '../../../client/cli/program.js'
import { makeHome, runCli } from './run.js'

const run = promisify(execFile)
const hasShell = (shell: string) => spawnSync(shell, ['-c', 'exit 0']).status === 0
const where = (shell: string) => (hasShell(shell) ? describe : describe.skip)

let home: string
beforeAll(async () => {
  home = await makeHome()
  await mkdir(path.join(home, 'data'))
  await writeFile(path.join(home, 'data', 'my file.csv'), '')
  await writeFile(path.join(home, 'dates.csv'), '')
})
afterAll(() => rm(home, { recursive: true, force: true }))

async function script(shell: string): Promise<string> {
  const { exitCode, stdout } = await runCli(['completion', shell])
  expect(exitCode).toBe(0)
  return stdout
}

test('the tree knows every command, option and choice; hidden ones not', () => {
  const program = new Command('p').option('--all <file>').addCommand(
    new Command('c')
      .argument('<path...>')
      .addOption(new Option('-s, --state <s>', 'Which. More.').choices(['a', 'b']))
      .addOption(new Option('--secret').hideHelp()),
  )
  const tree = completionTree(program)
  expect(tree.map(({ path: at }) => at)).toEqual([[], ['c']])
  const [top, below] = tree
  expect(top?.options.find(({ flags }) => flags.includes('--all'))).toMatchObject({
    takesValue: true,
    isFile: true,
  })
  expect(below?.takesFiles).toBe(true)
  expect(below?.options.map(({ flags }) => flags)).toEqual([['-s', '--state'], ['-h', '--help'], ['--all']])
  expect(below?.options[0]).toMatchObject({ choices: ['a', 'b'], description: 'Which' })
})

describe('bash', () => {
  let source = ''
  beforeAll(async () => {
    source = await script('bash')
  })

  /** What Tab proposes behind these words, the last of which is begun. */
  async function proposals(...words: string[]): Promise<string[]> {
    const { stdout } = await run(
      'bash',
      [
        '--norc',
        '-c',
        `${source}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _antipasto; printf '%s\\n' "\${COMPREPLY[@]}"`,
        'bash',
        'antipasto',
        ...words,
      ],
      { cwd: home },
    )
    return stdout.split('\n').filter((line) => line !== '')
  }

  test('commands', async () => {
    const all = createProgram().commands.map((command) => command.name())
    expect(await proposals('')).toEqual(expect.arrayContaining(all))
    expect(await proposals('wh')).toEqual(['whoami'])
    expect(await proposals('--url', 'https://x.example', 'ext')).toEqual(['extend'])
    expect((await proposals('eml', '')).sort()).toEqual(['help', 'patch', 'show'])
    expect(await proposals('eml', 'p')).toEqual(['patch'])
  })

  test('options of the command, and those of all', async () => {
    expect(await proposals('ls', '--la')).toEqual(['--label'])
    expect(await proposals('ls', '--js')).toEqual(['--json'])
    expect(await proposals('eml', 'patch', '--in')).toEqual(['--in-place'])
    expect(await proposals('ls', '--in')).toEqual([])
  })

  test('choices of options and arguments', async () => {
    expect(await proposals('ls', '--state', 'r')).toEqual(['receiving', 'ready'])
    expect(await proposals('completion', '')).toEqual(['bash', 'zsh', 'fish'])
    expect(await proposals('ls', '--label', '')).toEqual([])
  })

  test('files, with blanks in their names', async () => {
    expect((await proposals('push', 'da')).sort()).toEqual(['data', 'dates.csv'])
    expect(await proposals('push', 'data/my')).toEqual(['data/my file.csv'])
    expect(await proposals('manifest', 'lakes', '-o', 'dat')).toEqual(expect.arrayContaining(['dates.csv']))
  })
})

where('zsh')('zsh', () => {
  test('the script is one, and defines the completion', async () => {
    const file = path.join(home, '_antipasto')
    await writeFile(file, await script('zsh'))
    const { stdout } = await run('zsh', [
      '-f',
      '-c',
      `autoload -U compinit; compinit -u -D; source ${file}; print $_comps[antipasto]`,
    ])
    expect(stdout.trim()).toBe('_antipasto')
  })
})

where('fish')('fish', () => {
  test('proposes commands, options and choices', async () => {
    const file = path.join(home, 'antipasto.fish')
    await writeFile(file, await script('fish'))
    const proposed = async (line: string) =>
      (await run('fish', ['--no-config', '-c', `source ${file}; complete -C '${line}'`])).stdout
    expect(await proposed('antipasto wh')).toContain('whoami')
    expect(await proposed('antipasto ls --la')).toContain('--label')
    expect(await proposed('antipasto ls --state r')).toMatch(/ready/)
  })
})

test('other shells are wrong usage', async () => {
  expect((await runCli(['completion', 'tcsh'])).exitCode).toBe(2)
})
