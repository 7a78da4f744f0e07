// docs/tracing.md tells of what there is.

import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@jest/globals'
import { configTable } from '../../server/config.js'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const page = readFileSync(path.join(ROOT, 'docs/tracing.md'), 'utf8')

test('Its table has every setting of tracing, with its default', () => {
  const rows = configTable().filter(({ name }) => name.startsWith('OTEL_'))
  expect(rows.length).toBeGreaterThanOrEqual(7)
  const untold = rows.filter(({ name, default: given }) => {
    const shown = given === 'none' ? 'none' : `\`${given}\``
    return !page.includes(`| \`${name}\` | ${shown} |`)
  })
  expect(untold).toEqual([])
})

test('It names every span that the server makes', () => {
  const files = readdirSync(path.join(ROOT, 'server'), { recursive: true, encoding: 'utf8' })
  const names = files
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => [
      ...readFileSync(path.join(ROOT, 'server', file), 'utf8').matchAll(/\btraced\(\s*'([\w.]+)'/g),
    ])
    .map(([, name]) => String(name))
  expect(names).toContain('upload.receive')
  const untold = names.filter((name) => !page.includes(`\`${name}\``) && !page.includes(`─ ${name} `))
  expect(untold).toEqual([])
})
