// The expressions of the Grafana dashboard, as Grafana would send them.

import { z } from 'zod'
import { readProjectFile } from '../docs/shell-blocks.js'

const panels = z.object({
  panels: z.array(
    z.object({
      title: z.string(),
      type: z.string(),
      description: z.string().optional(),
      datasource: z.object({ type: z.literal('prometheus'), uid: z.literal(`\${datasource}`) }).optional(),
      targets: z.array(z.object({ expr: z.string() })).optional(),
    }),
  ),
})

export interface DashboardExpression {
  readonly panel: string
  readonly expr: string
}

/** With Grafana's variables replaced by what they are for a job of one instance. */
export function dashboardExpressions({ job = 'antipasto', interval = '10s' } = {}): DashboardExpression[] {
  const dashboard = panels.parse(JSON.parse(readProjectFile('docs/monitoring/grafana-dashboard.json')))
  return dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({
      panel: title,
      expr: expr
        .replaceAll('$job', job)
        .replaceAll('$instance', '.*')
        .replaceAll('$__rate_interval', interval),
    })),
  )
}
