// The receivers of docs/webhooks.md, run as they stand there.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { randomSecret } from '../../server/webhooks/random.js'
import { signatureOf } from '../../server/webhooks/signature.js'
import { findFreePort } from '../support/free-port.js'
import { newSender } from './ground.js'

const manual = await readFile(new URL('../../../docs/webhooks.md', import.meta.url), 'utf8')
const body = JSON.stringify({ sequence: 42, type: 'upload.ready.v1', upload_id: 'grüße', package_id: null })

let folder: string
let child: ChildProcess | undefined
let output = ''

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'antipasto-receivers-'))
})

afterEach(stopProgram)

afterAll(() => rm(folder, { recursive: true, force: true }))

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000)
}

/** The program of that name in the manual, running with `secret`; its URL when it listens. */
async function startProgram(name: string, command: string, secret: string): Promise<string> {
  const [, code] = new RegExp(`<!-- ${name} -->\\n\`\`\`\\w+\\n(.*?)\\n\`\`\``, 's').exec(manual) ?? []
  const file = path.join(folder, name)
  await writeFile(file, code ?? '')
  const port = await findFreePort()
  output = ''
  const env = { PATH: process.env.PATH, SECRET: secret, PORT: String(port), PYTHONUTF8: '1' }
  child = spawn(command, [file], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  while (!(await isListening(port))) await sleep(30)
  return `http://127.0.0.1:${port}/antipasto`
}

/** When it has resolved, all that it printed is in `output`. */
async function stopProgram(): Promise<void> {
  if (child === undefined) return
  const isRunning = child.exitCode === null && child.signalCode === null
  child.kill('SIGKILL')
  if (isRunning) await once(child, 'close')
  child = undefined
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

const hasPython = spawnSync('python3', ['--version']).status === 0

describe.each([
  ['receiver.mjs', process.execPath, true],
  ['receiver.py', 'python3', hasPython],
])('%s of the manual', (name, command, isThere) => {
  const testIfThere = isThere ? test : test.skip

  testIfThere.each([
    ['a secret that was made here', randomSecret()],
    ['one that the user brought', 'a plain secret of some length'],
  ])('takes what is signed with %s', async (_, secret) => {
    const url = await startProgram(name, command, secret)
    const message = { id: 'd1', timestampSeconds: nowSeconds(), body }
    expect(await newSender().send({ url, secret }, message)).toMatchObject({ status: 204, error: null })
    // A retry: taken, and not done twice.
    expect(await newSender().send({ url, secret }, message)).toMatchObject({ status: 204, error: null })
    // What it prints comes by another way than its answer, in order: behind the next one nothing of the retry can follow.
    await newSender().send({ url, secret }, { ...message, id: 'd2' })
    const line = '42 upload.ready.v1 grüße\n'
    while (output.length < 2 * line.length) await sleep(10)
    await stopProgram()
    expect(output).toBe(line + line)
  })

  testIfThere('takes one good signature among several', async () => {
    const secret = randomSecret()
    const url = await startProgram(name, command, secret)
    const timestampSeconds = nowSeconds()
    const good = signatureOf({ id: 'd1', timestampSeconds, body }, secret)
    const send = (signature: string) =>
      fetch(url, {
        method: 'POST',
        headers: {
          'Webhook-Id': 'd1',
          'Webhook-Timestamp': String(timestampSeconds),
          'Webhook-Signature': signature,
        },
        body,
      }).then(({ status }) => status)
    expect(await send(`v1a,xyz v1,AAAA ${good}`)).toBe(204)
    expect(await send(good.replace('v1,', 'v2,'))).toBe(401)
    expect(await send('v1,')).toBe(401)
    expect(await send('')).toBe(401)
  })

  testIfThere(
    'refuses another secret, another body, and what is older than five minutes or from the future',
    async () => {
      const secret = randomSecret()
      const url = await startProgram(name, command, secret)
      const message = { id: 'd1', timestampSeconds: nowSeconds(), body }
      const statusOf = async (key: string, changes: Partial<typeof message> = {}) =>
        (await newSender().send({ url, secret: key }, { ...message, ...changes })).status
      expect(await statusOf(randomSecret())).toBe(401)
      expect(await statusOf(secret, { timestampSeconds: nowSeconds() - 330 })).toBe(401)
      expect(await statusOf(secret, { timestampSeconds: nowSeconds() + 330 })).toBe(401)
      const headers = {
        'Webhook-Id': 'd1',
        'Webhook-Timestamp': String(message.timestampSeconds),
        'Webhook-Signature': signatureOf(message, secret),
      }
      expect((await fetch(url, { method: 'POST', headers, body: `${body} ` })).status).toBe(401)
      expect((await fetch(url, { method: 'POST', body })).status).toBe(401)
      expect(output).toBe('')
      expect(await statusOf(secret)).toBe(204)
    },
  )
})
