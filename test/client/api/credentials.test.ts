import { describe, expect, test } from '@jest/globals'
import { type Credentials, CurrentCredential, fixedCredential } from '../../../client/api/credentials.js'

/** Renews when told to. */
class Renewing implements Credentials {
  token: string | null = 'one'
  calls: (string | null)[] = []
  signals: AbortSignal[] = []
  answer: (token: string | null) => void = () => {}
  fail: (error: Error) => void = () => {}

  current() {
    return this.token
  }

  renew(ended: string | null, signal?: AbortSignal): Promise<string | null> {
    this.calls.push(ended)
    if (signal) this.signals.push(signal)
    return new Promise((resolve, reject) => {
      this.answer = resolve
      this.fail = reject
    })
  }
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 0))

describe('a credential that has ended', () => {
  test('is renewed once for all that were refused with it', async () => {
    const source = new Renewing()
    const credential = new CurrentCredential(source)
    const waiting = Promise.all(Array.from({ length: 20 }, () => credential.after('one')))
    await turn()
    source.answer('two')
    expect(new Set(await waiting)).toEqual(new Set(['two']))
    expect(source.calls).toEqual(['one'])
    // The source itself still says the old one.
    expect(await credential.current()).toBe('two')
    expect(await credential.after('one')).toBe('two')
    expect(source.calls).toEqual(['one'])
  })

  test('is renewed again when the next one ends', async () => {
    const source = new Renewing()
    const credential = new CurrentCredential(source)
    for (const [ended, next] of [
      ['one', 'two'],
      ['two', 'three'],
    ] as const) {
      const renewed = credential.after(ended)
      await turn()
      source.answer(next)
      expect(await renewed).toBe(next)
    }
    expect(await credential.current()).toBe('three')
  })

  test('gives way to what the source has got by itself meanwhile', async () => {
    const source = new Renewing()
    const credential = new CurrentCredential(source)
    const renewed = credential.after('one')
    await turn()
    source.answer('two')
    await renewed
    source.token = 'from-the-file'
    expect(await credential.current()).toBe('from-the-file')
    expect(await credential.after('two')).toBe('from-the-file')
    expect(source.calls).toEqual(['one'])
  })

  test('without another one to be had is null, and is asked for again the next time', async () => {
    const source = new Renewing()
    const credential = new CurrentCredential(source)
    for (let time = 1; time <= 2; time += 1) {
      const renewed = credential.after('one')
      await turn()
      source.answer(time === 1 ? null : 'one')
      expect(await renewed).toBeNull()
      expect(source.calls).toHaveLength(time)
    }
    expect(await new CurrentCredential(fixedCredential('a-key')).after('a-key')).toBeNull()
  })

  test('whose renewal fails fails all who wait, and not the process', async () => {
    const source = new Renewing()
    const credential = new CurrentCredential(source)
    const waiting = Promise.allSettled([credential.after('one'), credential.after('one')])
    await turn()
    source.fail(new Error('The IAM is away.'))
    expect(await waiting).toMatchObject([
      { status: 'rejected', reason: { message: 'The IAM is away.' } },
      { status: 'rejected', reason: { message: 'The IAM is away.' } },
    ])
  })
})

describe('who gives up', () => {
  test('waits no more, and leaves the renewal to the others', async () => {
    const source = new Renewing()
    const credential = new CurrentCredential(source)
    const leaving = new AbortController()
    const first = credential.after('one', leaving.signal)
    const second = credential.after('one')
    await turn()
    leaving.abort(new Error('enough'))
    await expect(first).rejects.toThrow('enough')
    expect(source.signals[0]?.aborted).toBe(false)
    source.answer('two')
    expect(await second).toBe('two')
  })

  test('as the last one ends the renewal', async () => {
    const source = new Renewing()
    const credential = new CurrentCredential(source)
    const leaving = new AbortController()
    const only = credential.after('one', leaving.signal)
    await turn()
    leaving.abort(new Error('enough'))
    await expect(only).rejects.toThrow('enough')
    expect(source.signals[0]?.aborted).toBe(true)
    // Nobody is there to hear it, and nothing may crash.
    source.fail(new Error('too late'))
    await turn()
    const next = credential.after('one')
    await turn()
    source.answer('two')
    expect(await next).toBe('two')
    expect(source.calls).toEqual(['one', 'one'])
  })
})

test.each([['two words'], ['from a file\n'], ['ключ']])(
  'a credential that no header takes, %j, is told as what it is',
  async (token) => {
    await expect(new CurrentCredential(fixedCredential(token)).current()).rejects.toMatchObject({
      name: 'Unauthorized',
      message: expect.stringContaining('Copy it anew.'),
    })
  },
)
