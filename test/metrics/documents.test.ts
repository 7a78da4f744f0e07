// The files for operators name metrics that there are, and the page tells of all of them.

import { beforeAll, describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import { z } from 'zod'
import { readProjectFile } from '../docs/shell-blocks.js'
import { type AllFamilies, allFamilies } from './all-families.js'
import { dashboardExpressions } from './dashboard.js'

const rulesFile = z.object({
  groups: z.array(
    z.object({
      rules: z.array(
        z.object({
          alert: z.string(),
          expr: z.string(),
          labels: z.object({ severity: z.enum(['critical', 'warning', 'info']) }),
          annotations: z.object({ summary: z.string(), runbook: z.string() }),
        }),
      ),
    }),
  ),
})
const alerts = rulesFile
  .parse(parse(readProjectFile('docs/monitoring/alerts.yml')))
  .groups.flatMap(({ rules }) => rules)

let families: AllFamilies
beforeAll(async () => {
  families = await allFamilies()
})

/** The metrics that an expression of PromQL names, without what histograms add to their names. */
function metricsIn(expression: string): string[] {
  return [...expression.matchAll(/\b(?:antipasto|process|nodejs)_\w+/g)].map(([name]) =>
    families.names.has(name) ? name : name.replace(/_(bucket|sum|count)$/, ''),
  )
}

test('every metric in the dashboard and the alerts is one that the server has', () => {
  const expressions = [...dashboardExpressions().map(({ expr }) => expr), ...alerts.map(({ expr }) => expr)]
  const named = new Set(expressions.flatMap(metricsIn))
  expect(named.size).toBeGreaterThan(40)
  expect([...named].filter((name) => !families.names.has(name))).toEqual([])
})

test('every metric of ours is on the dashboard, but for those that others tell the same by', () => {
  const shown = new Set(dashboardExpressions().flatMap(({ expr }) => metricsIn(expr)))
  expect(families.own.map(({ name }) => name).filter((name) => !shown.has(name))).toEqual([])
})

test('every alert says in words what is wrong and what to do, and the page tells of it', () => {
  const page = readProjectFile('docs/monitoring.md')
  expect(alerts.length).toBeGreaterThan(15)
  for (const { alert, annotations } of alerts) {
    expect(annotations.summary).toMatch(/\.$/)
    expect(annotations.runbook).toMatch(/\.$/)
    expect(page).toContain(`\`${alert}\``)
  }
})

describe('docs/monitoring.md', () => {
  const page = readProjectFile('docs/monitoring.md')

  test('has each metric of ours in its table, as the server describes it', () => {
    const rows = [...page.matchAll(/^\| `(antipasto_\w+)` \| (\w+) \| (\S+) \| (.*) \| (.*) \|$/gm)].map(
      ([, name, type, unit, labels, help]) => ({ name, type, unit, labels, help }),
    )
    expect(rows).toEqual(
      families.own.map(({ name, type, help, labels }) => ({
        name,
        type,
        unit: unitOf(name),
        labels: labels.map((label) => `\`${label}\``).join(', ') || '–',
        help,
      })),
    )
  })

  test('names no other', () => {
    expect([...new Set(metricsIn(page))].filter((name) => !families.names.has(name))).toEqual([])
  })
})

test('names and units are as Prometheus wants them', () => {
  for (const { name, type, help } of families.own) {
    expect(name).toMatch(/^antipasto_[a-z][a-z0-9_]*$/)
    expect(name.endsWith('_total')).toBe(type === 'counter')
    expect(name).not.toMatch(/(_ms|_millis\w*|_kb|_mb|_minutes)(_|$)/)
    expect(help).toMatch(/\.$/)
  }
})

/** By the name, as the convention has it. */
function unitOf(name: string): string {
  const base = name.replace(/_total$/, '')
  if (base.endsWith('_seconds')) return 'seconds'
  return base.endsWith('_bytes') ? 'bytes' : 'count'
}
