import { describe, expect, test } from '@jest/globals'
import { type Aim, aimsOf, judge } from './aims.js'
import { metricsOf, quickWorkload, type Sample, STORE_NAMES } from './sample.js'

const ratio: Aim = {
  kind: 'ratio',
  metric: 'speed',
  of: 'pair',
  against: 'ours',
  atLeast: 1.6,
  busyMetric: 'busy',
}

function sample(metric: string, contender: Sample['contender'], value: number, round = 1): Sample {
  return { metric, contender, round, value }
}

describe.each(STORE_NAMES)('the aims for %s', (store) => {
  test('name metrics that its table has', () => {
    const ids = metricsOf(quickWorkload, store).map(({ id }) => id)
    for (const aim of aimsOf(quickWorkload, store)) expect(ids).toContain(aim.metric)
  })
})

describe('a ratio', () => {
  test.each([
    [160, 100, 'met'],
    [150, 50, 'missed'],
    [150, 99, 'cores full'],
  ])('of %d to 100 with cores %d %% busy is %s', (pair, busy, outcome) => {
    const samples = [
      sample('speed', 'pair', pair),
      sample('speed', 'ours', 100),
      sample('busy', 'ours', busy),
    ]
    expect(judge(ratio, samples)?.outcome).toBe(outcome)
  })

  test('of nothing has no verdict', () => {
    expect(judge(ratio, [])).toBeUndefined()
  })
})

describe('a count', () => {
  const never: Aim = { kind: 'count', metric: 'temp', atMost: 0, judgedBy: 'max' }

  test('of 0 that is always 0 is met', () => {
    expect(judge(never, [sample('temp', 'ours', 0), sample('temp', 'ours', 0, 2)])?.outcome).toBe('met')
  })

  test('of 0 that is once more is missed, and others don’t count', () => {
    const samples = [sample('temp', 'ours', 0), sample('temp', 'ours', 0.1, 2), sample('temp', 'ours', 0, 3)]
    expect(judge(never, samples)?.outcome).toBe('missed')
    expect(judge(never, [sample('temp', 'ours', 0), sample('temp', 'bare', 1)])?.outcome).toBe('met')
  })
})

test('a limit is missed at its bound', () => {
  const limit: Aim = { kind: 'limit', metric: 'memory', below: 400, judgedBy: 'max' }
  expect(judge(limit, [sample('memory', 'ours', 399)])?.outcome).toBe('met')
  expect(judge(limit, [sample('memory', 'ours', 400)])?.outcome).toBe('missed')
})

test('a floor is met at its bound', () => {
  const floor: Aim = { kind: 'floor', metric: 'fairness', atLeast: 0.5 }
  expect(judge(floor, [sample('fairness', 'ours', 0.5)])?.outcome).toBe('met')
  expect(judge(floor, [sample('fairness', 'ours', 0.49), sample('fairness', 'bare', 1)])?.outcome).toBe(
    'missed',
  )
})
