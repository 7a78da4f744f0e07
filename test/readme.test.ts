import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@jest/globals'
import { configTable } from '../server/config.js'

const ROOT = new URL('../../', import.meta.url)
const readme = readFileSync(new URL('README.md', ROOT), 'utf8')

test('the README’s table of settings says what server/config.ts says', () => {
  const section = readme.split(/^## /m).find((text) => text.startsWith('Settings\n')) ?? ''
  const written = [...section.matchAll(/^\| `([A-Z_0-9]+)` \| (.*) \| (.*) \|$/gm)].map(
    ([, name, def, meaning]) => ({
      name,
      default: def,
      meaning,
    }),
  )
  expect(written).toEqual(configTable())
})

test('every file that the README and ARCHITECTURE.md link to is there', () => {
  const architecture = readFileSync(new URL('ARCHITECTURE.md', ROOT), 'utf8')
  const links = [...`${readme}\n${architecture}`.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, target]) =>
    String(target),
  )
  expect(links.length).toBeGreaterThan(2)
  for (const link of links) expect(() => readFileSync(fileURLToPath(new URL(link, ROOT)))).not.toThrow()
})
