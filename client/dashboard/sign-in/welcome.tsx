import { words } from '../words/words.js'

/** What antipasto is, for who has never been here. */
export function Welcome() {
  return (
    <div class="welcome-words">
      <h1 tabIndex={-1}>{words.signIn.headline}</h1>
      <ol class="welcome-steps">
        {words.signIn.steps.map(({ title, text }) => (
          <li key={title}>
            <strong>{title}</strong>
            <p>{text}</p>
          </li>
        ))}
      </ol>
    </div>
  )
}
