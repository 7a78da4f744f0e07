// Whether the oracle would notice: a suite that finds nothing must be able to.

import { describe, expect, test } from '@jest/globals'
import { planFile } from './load/file-plan.js'
import { Oracle } from './oracle.js'

const plan = { ...planFile({ seed: 1, client: 0, nth: 0, mostBytes: 1_000 }), sizeBytes: 1_000 }
const kindsOf = (oracle: Oracle) => oracle.violations.map(({ kind }) => kind)

describe('The oracle', () => {
  test('notices an offset that goes back behind what was acknowledged', () => {
    const oracle = new Oracle()
    const sent = oracle.created('cluster', 'a1', plan)
    oracle.offsetTold(sent, 600, { leastBytes: 0, mostBytes: 1_000 })
    oracle.offsetTold(sent, 400, { leastBytes: 600, mostBytes: 1_000 })
    expect(kindsOf(oracle)).toEqual(['acknowledged bytes lost'])
    expect([sent.acknowledgedBytes, oracle.acknowledgedBytes]).toEqual([600, 600])
  })

  test('takes no notice of it once a deletion was asked for', () => {
    const oracle = new Oracle()
    const sent = oracle.created('cluster', 'a1', plan)
    sent.deletion = 'asked'
    oracle.offsetTold(sent, 0, { leastBytes: 600, mostBytes: 1_000 })
    expect(kindsOf(oracle)).toEqual([])
  })

  test('notices bytes that nobody sent', () => {
    const oracle = new Oracle()
    const sent = oracle.created('cluster', 'a1', plan)
    oracle.offsetTold(sent, 1_001, { leastBytes: 0, mostBytes: 1_000 })
    oracle.offsetTold(sent, Number.NaN, { leastBytes: 0, mostBytes: 1_000 })
    expect(kindsOf(oracle)).toEqual(['offset past what was sent', 'offset past what was sent'])
  })

  test('allows 503 and 507, and no other 5xx; of HEAD of a tus upload none', () => {
    const oracle = new Oracle()
    const nothing = Buffer.alloc(0)
    for (const status of [200, 423, 503, 507]) oracle.answered('PATCH', '/uploads/a1', status, nothing)
    expect(kindsOf(oracle)).toEqual([])
    for (const status of [500, 502, 504]) oracle.answered('PATCH', '/uploads/a1', status, nothing)
    oracle.answered('HEAD', '/uploads/a1', 503, nothing)
    expect(kindsOf(oracle)).toEqual(['answer 500', 'answer 502', 'answer 504', 'HEAD of tus with 5xx'])
  })

  test('notices an id that is given to two uploads', () => {
    const oracle = new Oracle()
    oracle.created('cluster', 'a1', plan)
    expect(oracle.created('cluster', 'a1', plan).plan.key).toBe(plan.key)
    expect(kindsOf(oracle)).toEqual([])
    oracle.created('cluster', 'a1', { ...plan, key: 'another' })
    expect(kindsOf(oracle)).toEqual(['id given twice'])
  })
})
