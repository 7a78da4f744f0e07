// The blocks of docs/content-hooks.md, run as they stand there; clamdscan is a program that answers as it does.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseEnv } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { CommandCheck } from '../../server/hooks/command.js'
import { ServiceCheck } from '../../server/hooks/service.js'
import { bodyOf } from '../dialects/rest-client.js'
import { TusClient } from '../dialects/tus-client.js'
import { findFreePort } from '../support/free-port.js'
import { startServer } from '../support/server.js'
import { eventually, someFacts } from './checks.js'

const manual = await readFile(new URL('../../../docs/content-hooks.md', import.meta.url), 'utf8')
const never = new AbortController().signal

/** The block of that name. */
function blockOf(name: string): string {
  const [, code] = new RegExp(`<!-- ${name} -->\\n\`\`\`\\w+\\n(.*?)\\n\`\`\``, 's').exec(manual) ?? []
  if (code === undefined) throw new Error(`The manual has no block ${name}.`)
  return code
}

// As clamdscan(1) says: 0 no virus, 1 virus found, 2 an error. The word EICAR is a virus here.
const CLAMDSCAN = `#!/bin/sh
[ "$*" = "--no-summary -" ] || { echo "ERROR: Can't access file $1" >&2; exit 2; }
content=$(tr -d '\\0')
case "$content" in
  *EICAR*) echo 'stream: Eicar-Signature FOUND'; exit 1 ;;
  *TOO-LONG*) echo 'INSTREAM: Size limit reached' >&2; exit 2 ;;
esac
echo 'stream: OK'
`

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'antipasto-hooks-'))
  await writeFile(path.join(folder, 'clamdscan'), CLAMDSCAN)
  await chmod(path.join(folder, 'clamdscan'), 0o755)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const searchPath = () => `${folder}:${process.env.PATH}`

describe.each(['clamav', 'clamav-large'])('%s of the manual', (name) => {
  /** As a shell reads it, which sets it for the server. */
  const command = () => parseEnv(blockOf(name)).ON_READY_COMMAND ?? ''

  function ask(text: string, sizeBytes = text.length) {
    const read = async function* () {
      yield Buffer.from(text)
    }
    const check = new CommandCheck(command(), { PATH: searchPath() })
    return check.check(someFacts({ sizeBytes }), read, never)
  }

  test('takes what is clean, refuses what is not with its name, and asks again in trouble', async () => {
    expect(await ask('clean')).toEqual({ isAccepted: true })
    expect(await ask('an EICAR test')).toEqual({ isAccepted: false, words: 'stream: Eicar-Signature FOUND' })
    await expect(ask('TOO-LONG')).rejects.toMatchObject({
      detail: expect.stringContaining('exit code 2: INSTREAM'),
    })
  })

  test('looks at large files, or says that it does not', async () => {
    const large = ask('an EICAR test', 4_000_000_000)
    expect((await large).isAccepted).toBe(name === 'clamav-large')
    expect((await ask('an EICAR test', 3_999_999_999)).isAccepted).toBe(false)
  })

  test('is taken by a server as it stands there, from a .env file too', async () => {
    const cwd = await mkdtemp(path.join(folder, 'server-'))
    await writeFile(path.join(cwd, '.env'), `${blockOf(name)}\n`)
    const server = await startServer({ cwd, env: { PATH: searchPath() } })
    try {
      const tus = new TusClient(server)
      await tus.put(Buffer.from('clean'), { filename: 'lake.csv' })
      const body = Buffer.from('an EICAR test')
      const answer = await tus.create({ sizeBytes: body.length, body })
      expect(answer.status).toBe(422)
      expect(bodyOf<{ detail: string }>(answer).detail).toContain(': stream: Eicar-Signature FOUND.')
    } finally {
      await server.dispose()
    }
  })
})

describe('the service of the manual', () => {
  let port: number
  let program: ChildProcess
  beforeAll(async () => {
    port = await findFreePort()
    const file = path.join(folder, 'no-zip.mjs')
    await writeFile(file, blockOf('no-zip.mjs'))
    program = spawn(process.execPath, [file], { env: { PORT: String(port) }, stdio: 'inherit' })
    await eventually('service', () => isListening(port))
  })
  afterAll(async () => {
    program.kill('SIGKILL')
    await once(program, 'close')
  })

  /** The URL of the manual, where the service of this test is. */
  function url(): string {
    const { ON_READY_URL = '' } = parseEnv(blockOf('service'))
    expect(manual).toContain(`PORT=${new URL(ON_READY_URL).port} node no-zip.mjs`)
    return Object.assign(new URL(ON_READY_URL), { port: String(port) }).href
  }

  function ask(bytes: Buffer, sizeBytes = bytes.length) {
    const read = async function* () {
      for (const byte of bytes) yield Buffer.of(byte)
    }
    return new ServiceCheck(url()).check(someFacts({ sizeBytes, filename: 'süß.zip' }), read, never)
  }

  test('takes every file but ZIP archives, which it names', async () => {
    for (const text of ['', 'P', 'PK\x03', 'PK\x03\x05', 'lake,depth\n']) {
      expect(await ask(Buffer.from(text))).toEqual({ isAccepted: true })
    }
    for (const text of ['PK\x03\x04', 'PK\x03\x04and more']) {
      expect(await ask(Buffer.from(text))).toEqual({
        isAccepted: false,
        words: 'süß.zip is a ZIP archive. Upload the files in it one by one.',
      })
    }
  })

  test('answers a server', async () => {
    const server = await startServer({ env: { ON_READY_URL: url() } })
    try {
      const tus = new TusClient(server)
      await tus.put(Buffer.from('lake,depth\n'), { filename: 'lake.csv' })
      const body = Buffer.from('PK\x03\x04')
      const answer = await tus.create({ sizeBytes: body.length, body, metadata: { filename: 'süß.zip' } })
      expect(answer.status).toBe(422)
      expect(bodyOf<{ detail: string }>(answer).detail).toContain('süß.zip is a ZIP archive.')
    } finally {
      await server.dispose()
    }
  })
})

function isListening(port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(undefined))
    socket.once('connect', () => socket.destroy())
  })
}
