// axe-core in a page: what stands in the way of people with a screen reader, a keyboard, or weak eyes.

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { AxeResults, ImpactValue, RunOptions } from 'axe-core'
import type { Page } from 'playwright-core'

/** One rule that the page breaks, and where. */
export interface Finding {
  rule: string
  impact: ImpactValue
  /** What it is about, in axe's words. */
  help: string
  /** The elements, as CSS selectors, each with what is wrong with it. */
  places: string[]
}

// `target-size` (WCAG 2.2) is off by default.
const OPTIONS: RunOptions = { resultTypes: ['violations'], rules: { 'target-size': { enabled: true } } }

const sourceFile = createRequire(import.meta.url).resolve('axe-core/axe.min.js')

/** What axe calls serious or critical on the page as it is now. There should be none. */
export async function seriousFindings(page: Page): Promise<Finding[]> {
  return (await findings(page)).filter(({ impact }) => impact === 'serious' || impact === 'critical')
}

/** Everything that axe finds on the page as it is now. */
export async function findings(page: Page): Promise<Finding[]> {
  const isThere = await page.evaluate<boolean>("typeof axe === 'object'")
  // By the debugger, which the page's policy doesn't bind.
  if (!isThere) await page.evaluate(await readFile(sourceFile, 'utf8'))
  const results = await page.evaluate<AxeResults>(`axe.run(document, ${JSON.stringify(OPTIONS)})`)
  return results.violations.map(({ id, impact, help, nodes }) => ({
    rule: id,
    impact: impact ?? null,
    help,
    places: nodes.map(({ target, failureSummary }) => `${target.join(' ')}: ${failureSummary ?? ''}`),
  }))
}
