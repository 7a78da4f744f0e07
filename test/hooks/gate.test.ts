// How many checks run at once, and how long one may take.

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import type { ContentCheck, Verdict } from '../../server/hooks/content-check.js'
import { Gate } from '../../server/hooks/gate.js'
import { someFacts } from './checks.js'

/** A check that waits to be told its answer. */
class Patient implements ContentCheck {
  readonly running: { id: string; answer: (verdict: Verdict) => void }[] = []

  check(facts: { id: string }, _read: unknown, signal: AbortSignal): Promise<Verdict> {
    return new Promise((resolve, reject) => {
      const one = {
        id: facts.id,
        answer: (verdict: Verdict) => {
          this.running.splice(this.running.indexOf(one), 1)
          resolve(verdict)
        },
      }
      this.running.push(one)
      signal.addEventListener('abort', () => {
        this.running.splice(this.running.indexOf(one), 1)
        reject(signal.reason)
      })
    })
  }

  get ids(): string[] {
    return this.running.map(({ id }) => id)
  }
}

const never = new AbortController().signal
const nothing = async function* () {}

describe('the gate', () => {
  test('lets four in, and then the next in the order they came', async () => {
    const patient = new Patient()
    const gate = new Gate(patient, 60)
    const ids = ['1', '2', '3', '4', '5', '6', '7']
    const verdicts = ids.map((id) => gate.check(someFacts({ id }), nothing, never))
    await sleep(0)
    expect(patient.ids).toEqual(['1', '2', '3', '4'])
    patient.running[1]?.answer({ isAccepted: false, words: 'no' })
    await sleep(0)
    expect(patient.ids).toEqual(['1', '3', '4', '5'])
    while (patient.running.length > 0) {
      expect(patient.running.length).toBeLessThanOrEqual(4)
      patient.running[0]?.answer({ isAccepted: true })
      await sleep(0)
    }
    const answers = await Promise.all(verdicts)
    expect(answers.map(({ isAccepted }) => isAccepted)).toEqual([true, false, true, true, true, true, true])
  })

  test('lets nobody in who has gone away while he waited, and keeps no place for him', async () => {
    const patient = new Patient()
    const gate = new Gate(patient, 60, 1)
    const first = gate.check(someFacts({ id: '1' }), nothing, never)
    const leaving = new AbortController()
    const second = gate.check(someFacts({ id: '2' }), nothing, leaving.signal)
    const third = gate.check(someFacts({ id: '3' }), nothing, never)
    leaving.abort(new Error('gone'))
    await expect(second).rejects.toThrow('gone')
    expect(patient.ids).toEqual(['1'])
    patient.running[0]?.answer({ isAccepted: true })
    await first
    await sleep(0)
    expect(patient.ids).toEqual(['3'])
    patient.running[0]?.answer({ isAccepted: true })
    await third
  })

  test('ends a check that takes too long, counted from its turn, and gives its place on', async () => {
    const patient = new Patient()
    const gate = new Gate(patient, 0.2, 1)
    const first = gate.check(someFacts({ id: '1' }), nothing, never)
    const second = gate.check(someFacts({ id: '2' }), nothing, never)
    await expect(first).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      detail: expect.stringContaining('0.2 seconds'),
    })
    await sleep(50)
    expect(patient.ids).toEqual(['2'])
    patient.running[0]?.answer({ isAccepted: true })
    expect(await second).toEqual({ isAccepted: true })
  })

  test('passes on that it is to end, with the reason', async () => {
    const gate = new Gate(new Patient(), 60)
    const leaving = new AbortController()
    const one = gate.check(someFacts(), nothing, leaving.signal)
    leaving.abort(new Error('deleted'))
    await expect(one).rejects.toThrow('deleted')
    await expect(gate.check(someFacts(), nothing, leaving.signal)).rejects.toThrow('deleted')
  })
})
