import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { LocalStore } from '../../server/storage/local.js'
import { type Observer, observedStore, type StoreCall, together } from '../../server/storage/observed.js'
import { EMPTY_LEDGER, type Store } from '../../server/storage/store.js'
import { storeContract } from './store-contract.js'

const passing: Observer<StoreCall> = (_call, run) => run()

storeContract('An observed store', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'antipasto-observed-'))
  return {
    store: observedStore(new LocalStore(folder), passing),
    dispose: () => rm(folder, { recursive: true, force: true }),
  }
})

describe('What an observer sees', () => {
  const key = '0123456789abcdef'
  let folder: string
  let seen: string[]
  let store: Store
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'antipasto-observed-'))
    seen = []
    const observe: Observer<StoreCall> = async ({ operation, sizeBytes }, run) => {
      const outcome = await run().then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      )
      seen.push(`${operation} ${sizeBytes} ${'error' in outcome ? 'failed' : 'done'}`)
      if ('error' in outcome) throw outcome.error
      return outcome.value
    }
    store = observedStore(new LocalStore(folder), observe)
    await store.open()
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  test('is each call, with its bytes, until it has settled', async () => {
    await store.createTemporary(key)
    const writer = await store.openTemporary(key, { offsetBytes: 0, sizeBytes: 5, ledger: EMPTY_LEDGER })
    await writer.write(new Uint8Array(5))
    await writer.sync()
    await writer.close()
    await store.complete(key, 5, EMPTY_LEDGER)
    await expect(store.readObjectHead('feedfacefeedface', 16)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(seen).toEqual([
      'createTemporary null done',
      'openTemporary null done',
      'write 5 done',
      'sync null done',
      'complete 5 done',
      'readObjectHead 16 failed',
    ])
  })

  test('is the same for each of several, the first outermost', async () => {
    const order: string[] = []
    const named =
      (name: string): Observer<string> =>
      async (_call, run) => {
        order.push(`${name} begins`)
        const value = await run()
        order.push(`${name} ends`)
        return value
      }
    expect(together([])).toBeUndefined()
    const both = together([named('one'), named('two')])
    expect(await both?.('call', async () => 'value')).toBe('value')
    expect(order).toEqual(['one begins', 'two begins', 'two ends', 'one ends'])
  })
})
