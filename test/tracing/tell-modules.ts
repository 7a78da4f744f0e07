// Loaded before a server by NODE_OPTIONS: writes down which CommonJS modules were loaded when it ends. For off.test.ts.

import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

process.on('exit', () => {
  const { TOLD_MODULES } = process.env
  if (TOLD_MODULES === undefined) return
  writeFileSync(TOLD_MODULES, Object.keys(createRequire(import.meta.url).cache).join('\n'))
})
