// Tokens that end while a file is under way.

import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { bytesSource } from '../../../client/api/bytes-source.js'
import { Connection } from '../../../client/api/connection.js'
import type { Credentials } from '../../../client/api/credentials.js'
import { type SendOptions, send } from '../../../client/api/send.js'
import type { CuttingProxy } from '../../end-to-end/cutting-proxy.js'
import { bytesFrom } from '../../end-to-end/evidence.js'
import { ediId, type Iam, startIam } from '../../support/iam.js'
import type { Traffic } from '../end-to-end/traffic.js'
import { type MeteredGround, newMeteredGround } from './send-ground.js'

const MIB = 1024 * 1024

let iam: Iam
let ground: MeteredGround
let traffic: Traffic
let proxy: CuttingProxy

beforeAll(async () => {
  iam = await startIam()
  ground = await newMeteredGround({ env: { ...iam.env, AUTH_SCOPES: '*:upload+read' } })
  ;({ traffic, proxy } = ground)
})
afterAll(async () => {
  await ground.dispose()
  await iam.close()
})

const ended = () => iam.issue({ sub: ediId('ada'), expiresInSeconds: -3600 })
const good = () => iam.issue({ sub: ediId('ada') })

function sendWith(credentials: Credentials, size: number, more: Partial<SendOptions> = {}) {
  const connection = new Connection({ url: proxy.url, credentials })
  const { httpStack } = ground.network
  return send(connection, bytesSource(bytesFrom(size, size)), {
    metadata: { filename: 'x' },
    httpStack,
    ...more,
  })
}

/** Methods and statuses since `from`. */
const asked = (from: number) =>
  traffic.exchanges.slice(from).map(({ method, answer }) => `${method} ${answer?.status}`)

test('the upload goes on at its offset with a new one, before whatever request the old one has ended', async () => {
  const size = 4 * MIB
  const from = traffic.exchanges.length
  let token = good()
  let renewals = 0
  const waits: unknown[] = []
  const seen = new Set<number>()
  const credentials = {
    current: () => token,
    async renew() {
      renewals += 1
      token = good()
      return token
    },
  }
  const { url } = await sendWith(credentials, size, {
    chunkBytes: MIB,
    onWait: (wait) => void waits.push(wait),
    // It ends after the creation, and again after each of the first two chunks.
    onCreated() {
      token = ended()
    },
    onProgress(_sentBytes, acknowledgedBytes) {
      if (acknowledgedBytes === 0 || acknowledgedBytes > 2 * MIB || seen.has(acknowledgedBytes)) return
      seen.add(acknowledgedBytes)
      token = ended()
    },
  })
  expect(renewals).toBe(3)
  expect(waits).toEqual([])
  expect(asked(from)).toEqual([
    ...['POST 201', 'HEAD 401', 'HEAD 200', 'PATCH 204'],
    ...['PATCH 401', 'HEAD 200', 'PATCH 204', 'PATCH 401', 'HEAD 200', 'PATCH 204', 'PATCH 204'],
  ])
  const answer = await fetch(url, { headers: { authorization: `Bearer ${good()}` } })
  const sha256 = createHash('sha256').update(bytesFrom(size, size)).digest('hex')
  expect(await answer.json()).toMatchObject({ state: 'ready', size, checksums: { sha256 } })
})

test('a small file with an ended one is sent with the next', async () => {
  const from = traffic.exchanges.length
  let token = ended()
  await sendWith(
    {
      current: () => token,
      async renew() {
        token = good()
        return token
      },
    },
    10_000,
  )
  expect(asked(from)).toEqual(['POST 401', 'POST 201'])
})

test('without another one, or with another that is no good, it is refused', async () => {
  const alone = { current: ended }
  await expect(sendWith({ current: () => 'x' }, 10)).rejects.toMatchObject({ name: 'Unauthorized' })
  await expect(sendWith(alone, 10)).rejects.toMatchObject({ name: 'Unauthorized' })
  let token = ended()
  let renewals = 0
  const stubborn = {
    current: () => token,
    async renew() {
      renewals += 1
      token = iam.issue({ sub: ediId('ada'), expiresInSeconds: -7200 - renewals })
      return token
    },
  }
  await expect(sendWith(stubborn, 10)).rejects.toMatchObject({ name: 'Unauthorized' })
  expect(renewals).toBe(1)
})

test('credentials that never bring a byte further are not asked for for ever', async () => {
  let token = good()
  let renewals = 0
  const fickle = {
    current: () => token,
    async renew() {
      renewals += 1
      token = good()
      return token
    },
  }
  const sending = sendWith(fickle, 4 * MIB, {
    chunkBytes: MIB,
    onProgress() {
      token = ended()
    },
  })
  await expect(sending).rejects.toMatchObject({ name: 'Unauthorized' })
  expect(renewals).toBeLessThan(10)
})

test('what the credentials throw ends it', async () => {
  const fault = new Error('The settings can not be read.')
  const broken = {
    current(): string {
      throw fault
    },
  }
  await expect(sendWith(broken, 10)).rejects.toBe(fault)
})
