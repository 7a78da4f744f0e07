// What it costs to load a saved digest state and save it again, in this process.

import { RunningDigest } from '../../../server/digests/digest.js'
import { smallPayload } from '../payload.js'
import { median } from '../statistics.js'
import type { Row } from './row.js'

const BATCH_COUNT = 50
const BATCH_LENGTH = 200
/** No multiple of a block, so that the state holds a partial block: the longest kind. */
const DIGESTED_BYTES = 100_063

export const digestState: Row = {
  name: 'state',
  stores: ['local'],
  async run({ round, nextSeed }) {
    const digest = new RunningDigest()
    digest.update(smallPayload(DIGESTED_BYTES, nextSeed(), 0))
    const saved = digest.save()
    const microsecondsEach = Array.from({ length: BATCH_COUNT }, () => {
      const startedAtMs = performance.now()
      for (let turn = 0; turn < BATCH_LENGTH; turn++) new RunningDigest(saved).save()
      return ((performance.now() - startedAtMs) * 1000) / BATCH_LENGTH
    })
    if (!Buffer.from(new RunningDigest(saved).save()).equals(saved)) {
      throw new Error('A loaded digest state saves as another one.')
    }
    return [{ metric: 'state', contender: 'ours', round, value: median(microsecondsEach) }]
  },
}
