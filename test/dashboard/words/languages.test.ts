// Every language of the page says everything that the page says.

import { expect, test } from '@jest/globals'
import { en } from '../../../client/dashboard/words/en.js'
import { es } from '../../../client/dashboard/words/es.js'
import { textsOf } from './texts.js'

/** Names, and what is the same in both languages. */
const SAME_IN_BOTH = new Set(['common.name', 'frame.titleBusy'])

/** EML, SHA-256 and the like are the same everywhere. */
const HAS_WORDS = /\p{Ll}{2}/u

const english = textsOf(en)
const spanish = textsOf(es)

test('both languages have the same texts', () => {
  const paths = (texts: ReturnType<typeof textsOf>) => texts.map(({ path }) => path).toSorted()
  expect(paths(spanish)).toEqual(paths(english))
  expect(english.length).toBeGreaterThan(40)
})

test.each(spanish)(
  '$path says something of its own in Spanish, and nothing is left unfinished',
  ({ path, valueCount, fragments }) => {
    const original = english.find((text) => text.path === path)
    // A translation may do without a value, and have no other one.
    expect(valueCount).toBeLessThanOrEqual(original?.valueCount ?? 0)
    const isSame = SAME_IN_BOTH.has(path) || !HAS_WORDS.test(fragments.join(''))
    if (!isSame) expect(fragments).not.toEqual(original?.fragments)
    expect(fragments.join('')).not.toMatch(/TODO|undefined|NaN|\[object/)
  },
)
