import type { ComponentChildren } from 'preact'
import type { Me } from '../../api/types.js'
import { nowMs } from '../clock.js'
import { useDesk } from '../desk.js'
import { CopyButton } from '../parts/copy-button.js'
import { Moment } from '../parts/measures.js'
import { formats, words } from '../words/words.js'
import { Section } from './section.js'

export function AccountSection({ me }: { me: Me }) {
  const { session } = useDesk()
  return (
    <Section title={words.settings.account}>
      <dl class="facts">
        {session.name.value !== null && <Fact name={words.settings.name}>{session.name.value}</Fact>}
        <Fact name={words.settings.owner}>
          <span class="owner">
            <code>{me.owner}</code> <CopyButton text={me.owner} what={words.settings.owner} />
          </span>
        </Fact>
        {me.aliases.length > 0 && (
          <Fact name={words.settings.aliases}>
            <Codes texts={me.aliases} />
          </Fact>
        )}
        {me.groups.length > 0 && (
          <Fact name={words.settings.groups}>
            <Codes texts={me.groups} />
          </Fact>
        )}
        <Fact name={words.settings.rights}>
          <ul>
            {me.scopes.map((scope) => (
              <li key={scope}>
                <code>{scope}</code> {words.settings.scopes[scope]}
              </li>
            ))}
          </ul>
        </Fact>
        <Fact name={words.settings.signInEnds}>
          <SignInEnd />
        </Fact>
      </dl>
    </Section>
  )
}

/** By this browser's clock, so that what is left is right even when that one is wrong. */
function SignInEnd() {
  const endsAtMs = useDesk().me.endsAtMs.value
  if (endsAtMs === null) return words.settings.notByItself
  return (
    <>
      <Moment at={new Date(endsAtMs).toISOString()} /> ({formats.timeLeft((endsAtMs - nowMs.value) / 1_000)})
    </>
  )
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd dir="auto">{children}</dd>
    </div>
  )
}

function Codes({ texts }: { texts: readonly string[] }) {
  return (
    <ul>
      {texts.map((text) => (
        <li key={text}>
          <code>{text}</code>
        </li>
      ))}
    </ul>
  )
}
