// The card that asks to sign in. What it asks, and when, is asking.ts'.

import { useEffect, useMemo, useRef } from 'preact/hooks'
import { announce } from '../announcer.js'
import { useDesk } from '../desk.js'
import { Coded } from '../parts/coded.js'
import { place } from '../place.js'
import { formats, words } from '../words/words.js'
import { type Asking, createAsking, type Question } from './asking.js'
import { KeyLimits } from './key-limits.js'
import type { Provider } from './sign-in-methods.js'
import './sign-in.css'
import { Welcome } from './welcome.js'

export function SignInCard({ isUnasked }: { isUnasked: boolean }) {
  const desk = useDesk()
  const asking = useMemo(() => createAsking(desk, isUnasked), [desk, isUnasked])
  useEffect(() => asking.start(), [asking])
  const question = asking.question.value
  if (desk.session.isLeaving.value) return <p class="loading">{words.common.loading}</p>
  if (question === null) return place.value.view === 'files' ? <KeyLimits /> : null
  const isFirstView = !asking.isSignedIn.value && desk.sending.total.value === null
  if (!isFirstView) return <Card asking={asking} question={question} />
  return (
    <div class="welcome">
      <Welcome />
      <Card asking={asking} question={question} />
    </div>
  )
}

function Card({ asking, question }: { asking: Asking; question: Question }) {
  const { session } = useDesk()
  const providers = asking.providers.value
  const hasProviders = providers !== null && providers.length > 0
  const section = useRef<HTMLElement>(null)
  const { why } = question

  useEffect(() => asking.offerProviders(), [asking])
  useEffect(() => announce(wordsOf(question)), [why])
  useEffect(() => {
    // A reminder keeps nobody from their work. Where there is a choice nobody knows yet what it will be.
    if (providers === null || why === 'ending') return
    const target = hasProviders ? (why === 'absent' ? undefined : 'h2') : 'input[type="password"]'
    if (target !== undefined) section.current?.querySelector<HTMLElement>(target)?.focus()
  }, [why, providers, hasProviders])
  useEffect(
    () => () => {
      // The card goes away with what had the focus in it.
      if (section.current?.contains(document.activeElement)) document.querySelector('main')?.focus()
    },
    [],
  )

  return (
    <section ref={section} id="sign-in" class="card sign-in" aria-labelledby="sign-in-heading" data-why={why}>
      <div class="card-head">
        <h2 id="sign-in-heading" tabIndex={-1}>
          {hasProviders ? words.signIn.heading : words.signIn.keyHeading}
        </h2>
        {asking.isSignedIn.value && (
          <button type="button" class="quiet" onClick={() => asking.putOff()}>
            {words.signIn.later}
          </button>
        )}
      </div>
      <p id="sign-in-reason" dir="auto">
        {wordsOf(question)}
      </p>
      {question.why === 'foreign' && (
        <button type="button" onClick={() => session.leave(question.key)}>
          {words.signIn.leaveThem}
        </button>
      )}
      {hasProviders && <Choices providers={providers} onChoice={(url) => asking.goTo(url)} />}
      <KeyForm asking={asking} label={hasProviders ? words.signIn.orKey : words.signIn.key} />
      {why !== 'ending' && (
        <p class="hint">
          {providers !== null && !hasProviders && (
            <>
              <Coded text={words.signIn.keySource} />{' '}
            </>
          )}
          {words.signIn.staysHere}
        </p>
      )}
    </section>
  )
}

function KeyForm({ asking, label }: { asking: Asking; label: string }) {
  const input = useRef<HTMLInputElement>(null)
  const isBusy = asking.isBusy.value

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    const key = input.current?.value.trim() ?? ''
    if (key === '' || isBusy) return
    await asking.signIn(key)
    // One that wasn't taken stays in view only when it may be tried again as it is.
    if (input.current !== null && asking.question.peek()?.why !== 'unreachable') input.current.value = ''
  }

  return (
    <form onSubmit={(event) => void submit(event)}>
      {/* Password managers keep nothing without a name. */}
      <input
        class="visually-hidden"
        type="text"
        name="username"
        autocomplete="username"
        value={location.host}
        readOnly
        tabIndex={-1}
        aria-hidden="true"
      />
      <label for="key-input">{label}</label>
      <div class="key-fields">
        <input
          ref={input}
          id="key-input"
          name="key"
          type="password"
          autocomplete="current-password"
          autocapitalize="none"
          spellcheck={false}
          placeholder="ap_…"
          required
          aria-describedby="sign-in-reason"
        />
        <button type="submit" class="primary" aria-disabled={isBusy} aria-busy={isBusy}>
          {words.signIn.submit}
        </button>
      </div>
    </form>
  )
}

/** A button for each; or the way to where they can be used: the IAM leads back to the server's own name only. */
function Choices({
  providers,
  onChoice,
}: {
  providers: readonly Provider[]
  onChoice: (url: string) => void
}) {
  const elsewhere = providers
    .map(({ url }) => new URL(url).origin)
    .find((origin) => origin !== location.origin)
  if (elsewhere !== undefined) {
    return (
      <p>
        {words.signIn.elsewhere} <a href={`${elsewhere}/`}>{elsewhere}</a>
      </p>
    )
  }
  return (
    <fieldset class="choices" aria-label={words.signIn.with}>
      {providers.map(({ name, url }) => (
        <button key={url} type="button" onClick={() => onChoice(url)}>
          {name}
        </button>
      ))}
    </fieldset>
  )
}

function wordsOf(question: Question): string {
  switch (question.why) {
    case 'ending':
      return words.signIn.ending(formats.timeLeft(question.secondsLeft))
    case 'foreign':
      return words.signIn.foreign(question.name)
    default:
      return words.signIn.why[question.why]
  }
}
