// Commands as checks: real processes.

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { AppError } from '../../server/errors.js'
import { CommandCheck } from '../../server/hooks/command.js'
import type { ContentFacts, Verdict } from '../../server/hooks/content-check.js'
import { checksumsOf, someBytes } from '../dialects/tus-client.js'
import { isRunning, pidIn, someFacts, untilGone } from './checks.js'

const never = new AbortController().signal
const environment = { PATH: process.env.PATH ?? '' }

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'antipasto-command-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

interface Asked {
  content?: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
  facts?: Partial<ContentFacts>
  signal?: AbortSignal
}

function ask(command: string, { content = [], facts = {}, signal = never }: Asked = {}): Promise<Verdict> {
  const read = async function* () {
    yield* content
  }
  return new CommandCheck(command, environment).check(someFacts(facts), read, signal)
}

async function* muchOf(chunk: Uint8Array, times: number): AsyncIterable<Uint8Array> {
  for (let i = 0; i < times; i += 1) yield chunk
}

const megabyte = someBytes(1 << 20)

describe('an answer', () => {
  test('is yes with exit code 0, whatever was said', async () => {
    expect(await ask('echo fine; exit 0')).toEqual({ isAccepted: true })
  })

  test.each([
    ['ASCII', "echo 'stream: Eicar-Signature FOUND'; exit 1", 'stream: Eicar-Signature FOUND'],
    ['UTF-8', "printf 'zu groß 🧀'; exit 1", 'zu groß 🧀'],
    ['several lines', "printf 'one\\ntwo\\r\\n\\n three\\n'; exit 1", 'one two three'],
    ['nothing', 'exit 1', ''],
    ['standard error alone', 'echo internal >&2; exit 1', ''],
    ['bytes that are no UTF-8', "printf 'a\\377b'; exit 1", 'a\ufffdb'],
    ['10 MB', "head -c 10000000 /dev/zero | tr '\\0' x; exit 1", `${'x'.repeat(999)}…`],
  ])('is no with exit code 1 and the words: %s', async (_, command, words) => {
    expect(await ask(command)).toEqual({ isAccepted: false, words })
  })

  test.each([
    ['exit 2', /exit code 2\.$/],
    ['echo away >&2; exit 255', /exit code 255: away$/],
    ['no-such-command-anywhere', /exit code 127: .*not found/],
    ['kill -SEGV $$', /ended by SIGSEGV/],
    ['sh -c "kill -KILL \\$\\$"; exit $?', /exit code 137/],
  ])('is none with %j, and it is told what happened', async (command, detail) => {
    await expect(ask(command)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      detail: expect.stringMatching(detail),
    })
  })
})

describe('the bytes', () => {
  test('all arrive, 300 MiB of them', async () => {
    const times = 300
    const command = 'test "$(sha256sum | cut -d " " -f 1)" = "$ANTIPASTO_SHA256" || { echo differs; exit 1; }'
    const expected = Buffer.concat(Array.from({ length: times }, () => megabyte))
    const facts = { digests: checksumsOf(expected), sizeBytes: expected.length }
    expect(await ask(command, { content: muchOf(megabyte, times), facts })).toEqual({ isAccepted: true })
  })

  test('none are wanted: that is no fault, and the rest is not read', async () => {
    let givenChunks = 0
    const content = (async function* () {
      for (; givenChunks < 10_000; givenChunks += 1) yield megabyte
    })()
    expect(await ask('exit 0', { content })).toEqual({ isAccepted: true })
    expect(await ask('exec <&-; echo no; exit 1', { content: muchOf(megabyte, 100) })).toEqual({
      isAccepted: false,
      words: 'no',
    })
    expect(givenChunks).toBeLessThan(100)
  })

  test('are given no faster than the command reads', async () => {
    let givenChunks = 0
    const content = (async function* () {
      for (; givenChunks < 50; givenChunks += 1) yield megabyte
    })()
    const asked = ask('sleep 0.5; cat > /dev/null', { content })
    await sleep(300)
    expect(givenChunks).toBeLessThan(3)
    expect(await asked).toEqual({ isAccepted: true })
    expect(givenChunks).toBe(50)
  })

  test('that can not be read end the command, which must not say yes to a half', async () => {
    const lost = new AppError('CONFLICT', 'The bytes are lost.')
    const content = (async function* () {
      yield megabyte
      throw lost
    })()
    const file = path.join(folder, 'half')
    await expect(ask(`echo $$ > ${file}; cat > /dev/null; exit 0`, { content })).rejects.toBe(lost)
    await untilGone(await pidIn(file), 5)
  })

  test('that never come do not hold up an answer', async () => {
    const content = (async function* () {
      await new Promise(() => {})
      yield megabyte
    })()
    expect(await ask('exit 0', { content })).toEqual({ isAccepted: true })
  })
})

describe('the environment', () => {
  test('is PATH and the facts, and nothing of ours', async () => {
    process.env.AWS_SECRET_ACCESS_KEY ??= 'not-for-commands'
    const file = path.join(folder, 'environment')
    await ask(`env > ${file}`, { facts: { filename: 'a b.csv' } })
    const names = (await readFile(file, 'utf8')).split('\n').map((line) => line.split('=')[0])
    const ofTheShell = ['PWD', 'SHLVL', 'OLDPWD', '_', '']
    expect(names.filter((name) => !ofTheShell.includes(name ?? '')).sort()).toEqual(
      [
        ...['CONTENT_TYPE', 'FILENAME', 'LABEL', 'MD5', 'OWNER', 'PACKAGE_ID', 'SHA1', 'SHA256', 'SIZE'],
        'UPLOAD_ID',
      ]
        .map((name) => `ANTIPASTO_${name}`)
        .concat('PATH'),
    )
  })

  test('keeps a name that a shell would take for more', async () => {
    const file = path.join(folder, 'made')
    const filename = `$(touch ${file}); "'\`\n*`
    const command = 'printf %s "$ANTIPASTO_FILENAME"; exit 1'
    expect(await ask(command, { facts: { filename } })).toEqual({
      isAccepted: false,
      words: `$(touch ${file}); "'\` *`,
    })
    await expect(readFile(file)).rejects.toThrow('ENOENT')
  })
})

describe('the end', () => {
  test('comes when it is asked for, to everything that the command has started', async () => {
    const ending = new AbortController()
    const [outer, inner] = [path.join(folder, 'outer'), path.join(folder, 'inner')]
    const command = `echo $$ > ${outer}; (sh -c 'echo $$ > ${inner}; exec sleep 600') | cat`
    const asked = ask(command, { signal: ending.signal })
    const pids = [await pidIn(outer), await pidIn(inner)]
    const reason = new Error('deleted')
    ending.abort(reason)
    await expect(asked).rejects.toBe(reason)
    for (const pid of pids) expect(await isRunning(pid)).toBe(false)
  })

  test('comes after five seconds to what does not want to hear of it', async () => {
    const ending = new AbortController()
    const file = path.join(folder, 'deaf')
    const asked = ask(`trap '' TERM; echo $$ > ${file}; while :; do sleep 0.1; done`, {
      signal: ending.signal,
    })
    const pid = await pidIn(file)
    const begin = performance.now()
    ending.abort(new Error('deleted'))
    await expect(asked).rejects.toThrow('deleted')
    expect(performance.now() - begin).toBeGreaterThan(4500)
    expect(performance.now() - begin).toBeLessThan(8000)
    expect(await isRunning(pid)).toBe(false)
  })

  test('gives what wants to tidy up the time to do it', async () => {
    const ending = new AbortController()
    const [file, tidied] = [path.join(folder, 'tidy'), path.join(folder, 'tidied')]
    // The shell is gone at once; what it has started takes half a second.
    const script = `trap 'sleep 0.5; echo yes > ${tidied}; exit' TERM; echo $$ > ${file}; while :; do sleep 0.05; done`
    const asked = ask(`sh -c "${script.replaceAll('$', '\\$')}" & wait`, { signal: ending.signal })
    await pidIn(file)
    ending.abort(new Error('deleted'))
    await expect(asked).rejects.toThrow('deleted')
    expect(await readFile(tidied, 'utf8')).toBe('yes\n')
  })

  test('comes to what the command left behind, and nobody waits for that', async () => {
    const file = path.join(folder, 'left')
    const begin = performance.now()
    expect(await ask(`sh -c 'echo $$ > ${file}; exec sleep 600' & sleep 0.2; echo no; exit 1`)).toEqual({
      isAccepted: false,
      words: 'no',
    })
    expect(performance.now() - begin).toBeLessThan(5000)
    await untilGone(await pidIn(file), 5)
  })

  test('is known before the beginning', async () => {
    const file = path.join(folder, 'begun')
    await expect(ask(`touch ${file}`, { signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow(
      'gone',
    )
    await expect(readFile(file)).rejects.toThrow('ENOENT')
  })
})
