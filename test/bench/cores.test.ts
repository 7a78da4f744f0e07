import { describe, expect, test } from '@jest/globals'
import { coresFor } from './cores.js'

describe('a core for each server', () => {
  test.each([
    [1, [0, 1], [0], [1]],
    [2, [0, 1], [0, 1], [0, 1]],
    [2, [0, 1, 2, 3], [0, 1], [2, 3]],
  ])('for %d of them on %j', (serverCount, cores, servers, others) => {
    expect(coresFor(serverCount, cores)).toEqual({ servers, others })
  })
})
