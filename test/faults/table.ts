// A run in some lines, for people. Pure.

import type { RunReport } from './run.js'

const MIB = 1024 * 1024
const MOST_VIOLATIONS = 40

export function describeRun(report: RunReport): string {
  const { seed, tookMs, faults, answers, acts, violations, compared } = report
  const rows: [string, string][] = [
    ['seed', String(seed)],
    ['took', `${seconds(tookMs)}, longest time without any success ${seconds(report.longestOutageMs)}`],
    ['sent', `${report.uploads} uploads, ${mebibytes(report.acknowledgedBytes)} acknowledged`],
    [
      'read',
      `${mebibytes(report.readBytes)} meanwhile; ${compared.files} files, ${mebibytes(compared.bytes)} in the end`,
    ],
    ['faults', counts(faults)],
    ['acts', counts(acts)],
    ['answers', `${counts(answers)}, none ${report.broken}`],
    ['violations', String(violations.length)],
  ]
  return [...rows.map(([name, text]) => `${name.padEnd(12)}${text}`), ...describeViolations(report)].join(
    '\n',
  )
}

/** The violations, and how to see them again. */
export function describeViolations({ seed, violations }: Pick<RunReport, 'seed' | 'violations'>): string[] {
  if (violations.length === 0) return []
  return [
    ...violations
      .slice(0, MOST_VIOLATIONS)
      .map(({ atMs, kind, text }) => `  ${seconds(atMs)} ${kind}: ${text}`),
    `npm run test:faults -- --seed ${seed}`,
  ]
}

function counts(named: Readonly<Record<string, number>>): string {
  return Object.entries(named)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`
}

function mebibytes(bytes: number): string {
  return `${(bytes / MIB).toFixed(0)} MiB`
}
