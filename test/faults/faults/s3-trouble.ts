import {
  type Action,
  cutAnswer,
  cutBefore,
  cutInside,
  delays,
  delaysAnswer,
  fails,
  forwards,
  hangs,
  losesAnswer,
} from '../../support/s3-faults.js'
import type { Operation } from '../../support/s3-operation.js'
import type { Random } from '../random.js'
import type { Fault } from './fault.js'

type Way = keyof typeof WAYS

/** What becomes of a request, made with a number from 0 to 1 where something is left to be drawn. */
const WAYS = {
  'slow down': () => fails(503, 'SlowDown'),
  'internal error': () => fails(500, 'InternalError'),
  'cut before': () => cutBefore,
  'cut inside': () => cutInside,
  'lost answer': () => losesAnswer,
  'cut answer': (size: number) => cutAnswer(1 + Math.floor(size * 200_000)),
  late: (size: number) => delays(50 + Math.floor(size * 1_500)),
  'late answer': (size: number) => delaysAnswer(50 + Math.floor(size * 1_500)),
  hang: () => hangs,
} satisfies Record<string, (size: number) => Action>

const OPERATIONS: readonly Operation[] = [
  'PutObject',
  'UploadPart',
  'UploadPartCopy',
  'CreateMultipartUpload',
  'CompleteMultipartUpload',
  'AbortMultipartUpload',
  'GetObject',
  'DeleteObject',
  'DeleteObjects',
]

/** Some of an instance's requests to S3 go wrong: all kinds of them, or one. */
export const s3Trouble: Fault = {
  kind: 's3',
  weight: 5,
  draw(random) {
    const target = random.pick(['a', 'b'] as const)
    const way = random.pick(Object.keys(WAYS) as Way[])
    const operation = random.chance(0.4) ? 'any' : random.pick(OPERATIONS)
    // What hangs is given up only after seconds.
    const percent =
      way === 'hang' ? random.integer(5, 20) : random.integer(10, operation === 'any' ? 60 : 100)
    const action = WAYS[way](random.next())
    const dice = random.fork(`dice ${random.integer(1, 1e9)}`)
    return {
      target,
      parameters: { way, operation, percent },
      lastsMs: random.integer(500, 6_000),
      recoversMs: 0,
      occupies: [`s3 line of ${target}`],
      async begin(stage) {
        const off = stage.instances[target].s3?.on(
          { operation, nth: 'every' },
          sometimes(action, percent, dice),
        )
        return async () => off?.()
      },
    }
  },
}

/** Every connection of an instance to S3 breaks, whatever was on it. */
export const s3Cut: Fault = {
  kind: 's3-cut',
  weight: 1,
  draw(random) {
    const target = random.pick(['a', 'b'] as const)
    return {
      target,
      parameters: {},
      lastsMs: 0,
      recoversMs: 500,
      occupies: [`s3 connections of ${target}`],
      async begin(stage) {
        stage.instances[target].s3?.cut()
        return async () => {}
      },
    }
  },
}

function sometimes(action: Action, percent: number, dice: Random): Action {
  return (exchange) => (dice.chance(percent / 100) ? action(exchange) : forwards(exchange))
}
