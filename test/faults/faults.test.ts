// The fault suite in its bounded form: three seeds that are always the same, and one that nobody has seen.

import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { describeNginx } from '../deploy/describe-nginx.js'
import { describeRadosgw } from '../support/s3.js'
import { SEED } from '../support/seed.js'
import { type RunReport, run } from './run.js'
import type { Stage } from './stage/stage.js'
import { startStage } from './stage/start-stage.js'
import { describeViolations } from './table.js'

const DURATION_MS = 40_000
/** A quiet machine takes 70 s for each; what comes after the faults has bounds of its own, which add up to less than this. */
const TIMEOUT_MS = 480_000
const STAGE_TIMEOUT_MS = 90_000
const LOG_TAIL_CHARACTERS = 4_000

describeRadosgw('Under faults', () => {
  describeNginx('with all parts', () => {
    let stage: Stage
    let isNew = true

    beforeAll(async () => {
      stage = await startStage()
    }, STAGE_TIMEOUT_MS)

    afterAll(() => stage?.dispose(), STAGE_TIMEOUT_MS)

    test.each([
      ['seed 1', 1],
      ['seed 2', 2],
      ['seed 3', 3],
      [`fresh seed ${SEED}`, SEED],
    ])(
      'no acknowledged byte is lost, and nothing is left without an owner: %s',
      async (_, seed) => {
        if (!isNew) await stage.renew()
        isNew = false
        const lines: string[] = []
        const report = await run(stage, { seed, durationMs: DURATION_MS, log: (line) => lines.push(line) })
        if (report.violations.length > 0) throw new Error(failureOf(report, lines))
        // It wasn't quiet, either.
        expect(report.uploads).toBeGreaterThan(10)
        expect(report.compared.files).toBeGreaterThan(5)
        expect(Object.values(report.faults).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(10)
      },
      TIMEOUT_MS,
    )
  })
})

/** All that is needed to find the cause, and to see it again. */
function failureOf(report: RunReport, lines: readonly string[]): string {
  const tails = Object.entries(report.logs).map(
    ([name, log]) => `${name}:\n${log.slice(-LOG_TAIL_CHARACTERS)}`,
  )
  return [`seed ${report.seed}`, ...describeViolations(report), ...lines, ...tails].join('\n')
}
