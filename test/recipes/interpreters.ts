// What runs the recipes, where it is there: Python with requests or tuspy, R with httr2, bash with curl.

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, test } from '@jest/globals'

export interface Recipe {
  /** Its file in docs/recipes. */
  readonly file: string
  /** Interpreters that may do, best first. */
  readonly interpreters: readonly string[]
  /** Arguments with which an interpreter succeeds that has all the recipe needs. */
  readonly probe: readonly string[]
  /** What it needs, and Debian's names for that. */
  readonly needs: string
  readonly debianPackages: readonly string[]
}

// A Python of the user's own may lack what Debian's has.
const PYTHONS = ['python3', '/usr/bin/python3']

export const RECIPES: readonly Recipe[] = [
  {
    file: 'upload.py',
    interpreters: PYTHONS,
    probe: ['-c', 'import requests'],
    needs: 'Python with requests',
    debianPackages: ['python3-requests'],
  },
  {
    file: 'upload_tus.py',
    interpreters: PYTHONS,
    probe: ['-c', 'import tusclient.client'],
    needs: 'Python with tuspy',
    debianPackages: ['python3-tuspy'],
  },
  {
    file: 'upload.R',
    interpreters: ['Rscript'],
    probe: ['-e', 'library(httr2); library(jsonlite)'],
    needs: 'R with httr2 and jsonlite',
    debianPackages: ['r-cran-httr2', 'r-cran-jsonlite'],
  },
  {
    file: 'upload.sh',
    interpreters: ['bash'],
    probe: ['-c', 'curl --help all | grep -q -e --fail-with-body && sha256sum --version && openssl version'],
    needs: 'bash with curl 7.76',
    debianPackages: ['curl'],
  },
]

/** The program and first argument that run a recipe. */
export type Command = readonly [interpreter: string, file: string]

/** The suite of a recipe, where it can run; otherwise it is skipped by name, or fails where REQUIRE_RECIPES=1. */
export function describeRecipe(recipe: Recipe, suite: (command: Command) => void): void {
  const { file, needs, debianPackages } = recipe
  const interpreter = recipe.interpreters.find((name) => spawnSync(name, [...recipe.probe]).status === 0)
  const source = fileURLToPath(new URL(`../../../docs/recipes/${file}`, import.meta.url))
  if (interpreter !== undefined) {
    describe(file, () => suite([interpreter, source]))
    return
  }
  const advice = `there is no ${needs} (Debian: apt-get install ${debianPackages.join(' ')})`
  if (process.env.REQUIRE_RECIPES === '1') {
    describe(file, () => {
      test(`has ${needs}`, () => {
        throw new Error(`REQUIRE_RECIPES is set, and ${advice}.`)
      })
    })
  } else {
    console.warn(`Skipped, as ${advice}: docs/recipes/${file}.`)
    describe.skip(`${file} (skipped: no ${needs})`, () => suite(['', source]))
  }
}
