// What browsers get: everything that antipasto.ts and sending reach must build for them, with no module of Node's among it.

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from '@jest/globals'

const sourceOf = (name: string) => fileURLToPath(new URL(`../../../../client/api/${name}`, import.meta.url))

async function bundle(name: string): Promise<{ modules: string[]; code: string }> {
  const builder = fileURLToPath(new URL('bundle.js', import.meta.url))
  const options = { maxBuffer: 64 * 1024 * 1024 }
  const { stdout } = await promisify(execFile)(process.execPath, [builder, sourceOf(name)], options)
  return JSON.parse(stdout)
}

test.each([['antipasto.ts'], ['send.ts'], ['send-parallel.ts'], ['blob-source.ts']])(
  '%s builds for browsers without anything of Node',
  async (name) => {
    const { modules, code } = await bundle(name)
    expect(modules.some((module) => module.endsWith(`client/api/${name}`))).toBe(true)
    // Vite puts an empty module in the place of a module of Node's, and names it so.
    const nodes = modules.filter((module) =>
      /^node:|__vite-browser-external|client\/api\/node\/|tus-js-client\/lib\.\w+\/node/.test(module),
    )
    expect(nodes).toEqual([])
    expect(code).not.toMatch(/\bfrom ["']node:|require\(["'](node:|fs|http)|\bBuffer\.|\bprocess\./)
  },
  60_000,
)

test('the check sees modules of Node', async () => {
  const { modules } = await bundle('node/local-file.ts')
  expect(modules.filter((module) => /^node:|__vite-browser-external/.test(module))).not.toEqual([])
})
