import { describe, expect, test } from '@jest/globals'
import { type CpuProfile, costsOf } from './costs.js'

function node(id: number, functionName: string, url = '', lineNumber = 0): CpuProfile['nodes'][number] {
  return { id, callFrame: { functionName, url, lineNumber } }
}

describe('the costs of a profile', () => {
  const profile: CpuProfile = {
    nodes: [
      node(1, '(idle)'),
      node(2, 'write', 'file:///here/dist/server/storage/local.js', 9),
      node(3, 'write', 'file:///here/dist/server/storage/local.js', 9),
      node(4, '', 'file:///here/node_modules/express/lib/router.js', 0),
      node(5, '(garbage collector)'),
      node(6, 'dispatch'),
    ],
    samples: [1, 2, 3, 4, 5, 6],
    timeDeltas: [9000, 2000, 3000, 1000, 4000, 7000],
  }

  test('are by function, the dearest first, and shares of what the thread did for the server', () => {
    expect(costsOf(profile, 2)).toEqual({
      busyMs: 10,
      top: [
        { function: 'write server/storage/local.js:10', selfMs: 5, share: 0.5 },
        { function: '(garbage collector)', selfMs: 4, share: 0.4 },
      ],
    })
  })

  test('name a function without a name, of a package by its path', () => {
    expect(costsOf(profile, 9).top.at(-1)?.function).toBe('(anonymous) express/lib/router.js:1')
  })

  test('don’t count backwards where the clock stepped back', () => {
    const { busyMs } = costsOf({ ...profile, samples: [2, 4], timeDeltas: [1000, -5] }, 9)
    expect(busyMs).toBe(1)
  })

  test('of nothing are none', () => {
    expect(costsOf({ nodes: [] }, 9)).toEqual({ busyMs: 0, top: [] })
  })
})
