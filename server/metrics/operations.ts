// What the route of metrics answers. Pure.

import { z } from 'zod'
import type { Operation } from '../http/operation.js'

export const metricsOperations: readonly Operation[] = [
  {
    method: 'get',
    path: '/metrics',
    id: 'getMetrics',
    tag: 'Operation',
    summary: 'Figures for Prometheus',
    description:
      'With `Authorization: Bearer` and the METRICS_TOKEN of the server, which is no credential for anything else. docs/monitoring.md says what each figure tells.',
    scope: null,
    answers: { 200: { description: "In Prometheus' text format.", content: { 'text/plain': z.string() } } },
    problems: ['NOT_FOUND', 'UNAUTHORIZED'],
  },
]
