import { useId } from 'preact/hooks'
import { LANGUAGES, type Language, language, speak, words } from '../words/words.js'
import { Section } from './section.js'

export function LanguageSection() {
  const id = useId()
  return (
    <Section title={words.settings.language}>
      <div class="field">
        <label for={id}>{words.settings.languageOfPage}</label>
        <select
          id={id}
          value={language}
          onChange={({ currentTarget }) => speak(currentTarget.value as Language)} // one of the options below
        >
          {Object.entries(LANGUAGES).map(([tag, name]) => (
            <option key={tag} value={tag} lang={tag}>
              {name}
            </option>
          ))}
        </select>
        <p class="hint">{words.settings.languageHint}</p>
      </div>
    </Section>
  )
}
