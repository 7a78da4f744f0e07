// `npm run test:faults`: runs of as many seeds as are wanted, on one stage. Ends with 1 when anything was wrong.

import { appendFile } from 'node:fs/promises'
import { readOptions, usage } from './options.js'
import { run } from './run.js'
import { startStage } from './stage/start-stage.js'
import { describeRun } from './table.js'

// The SDK would tell in every run that a later version will want a later Node.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true'

async function main(args: string[]): Promise<number> {
  if (args.includes('--help')) {
    console.log(usage)
    return 0
  }
  const { seeds, durationMs, logFile } = readOptions(args, Date.now() % 1_000_000_000)
  const stage = await startStage({ log: console.log })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void stage.dispose().finally(() => process.exit(130)))
  }
  let violated = 0
  try {
    for (const [need, why] of stage.missing) console.log(`Left out: ${need}: ${why}.`)
    for (const [i, seed] of seeds.entries()) {
      console.log(`\nSeed ${seed}, ${i + 1} of ${seeds.length}:`)
      if (i > 0) await stage.renew()
      const report = await run(stage, { seed, durationMs, log: console.log })
      console.log(describeRun(report))
      if (logFile !== null) await appendFile(logFile, `${JSON.stringify(report)}\n`)
      if (report.violations.length > 0) violated += 1
    }
    console.log(`\n${seeds.length - violated} of ${seeds.length} seeds passed: ${seeds.join(' ')}`)
    return violated > 0 ? 1 : 0
  } finally {
    await stage.dispose()
  }
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error)
  return 1
})
