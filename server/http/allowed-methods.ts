// 405 for the paths that are there, with the methods that they have: from the operations, so that no route can forget it.

import { Router } from 'express'
import { methodNotAllowed } from './answer.js'
import type { Operation } from './operation.js'

/** Goes behind every other route. */
export function allowedMethods(operations: readonly Operation[]): Router {
  const router = Router()
  const paths = new Set(operations.map(({ path }) => path))
  for (const path of paths) {
    const methods = operations.filter((one) => one.path === path).map(({ method }) => method.toUpperCase())
    // Express answers HEAD with the route of GET.
    const implied = methods.includes('GET') ? ['HEAD'] : []
    const allow = [...new Set([...methods, ...implied])].sort().join(', ')
    router.all(path.replaceAll(/\{(\w+)\}/g, ':$1'), methodNotAllowed(allow))
  }
  return router
}
