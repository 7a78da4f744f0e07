// The language of the page, chosen once when it is loaded. All that it says is in en.ts, and the same in the others.

import { en, type Words } from './en.js'
import { es } from './es.js'
import { createFormats, type Formats } from './formats.js'

export const LANGUAGES = { en: 'English', es: 'Español' } as const
export type Language = keyof typeof LANGUAGES

const STORAGE_KEY = 'antipasto.language'

/** What was chosen here before, or else the first of the browser's languages that there is. */
export const language = languageFor(localStorage.getItem(STORAGE_KEY), navigator.languages)

/** Every text on the page. */
export const words: Words = { en, es }[language]

/** Numbers and times in the page's language and the user's time zone. */
export const formats: Formats = createFormats(localeOf(language, navigator.languages))

document.documentElement.lang = language

/** Loads the page again in that language: uploads that are held go on afterwards. */
export function speak(next: Language): void {
  localStorage.setItem(STORAGE_KEY, next)
  location.reload()
}

function languageFor(chosen: string | null, wanted: readonly string[]): Language {
  const wishes = [chosen, ...wanted.map((tag) => tag.split('-')[0]?.toLowerCase())]
  return wishes.find(isLanguage) ?? 'en'
}

function isLanguage(tag: string | null | undefined): tag is Language {
  return tag !== null && tag !== undefined && Object.hasOwn(LANGUAGES, tag)
}

/** The user's own variant of the page's language: days and hours are written differently in en-US and en-GB. */
function localeOf(spoken: Language, wanted: readonly string[]): string {
  return wanted.find((tag) => tag.split('-')[0]?.toLowerCase() === spoken) ?? spoken
}
