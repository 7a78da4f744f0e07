// API keys: those there are, one more, one less.

import { useSignal } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import type { ApiKey, Me, NewApiKey } from '../../api/types.js'
import { announce } from '../announcer.js'
import { useDesk } from '../desk.js'
import { Badge } from '../parts/badge.js'
import { CopyButton } from '../parts/copy-button.js'
import { Empty } from '../parts/empty.js'
import { Age, Moment, TimeLeft } from '../parts/measures.js'
import { may } from '../sign-in/rights.js'
import { words } from '../words/words.js'
import { ConfirmEnd } from './confirm-end.js'
import { KeyForm } from './key-form.js'
import { isCurrent, mayRevoke } from './key-rules.js'
import { ListEnd } from './list-end.js'
import { useMaking } from './making.js'
import { Lacking, Section } from './section.js'
import { createShownList } from './shown-list.js'
import { ShownOnce } from './shown-once.js'

const STEP = 10

export function KeysSection({ me }: { me: Me }) {
  const { antipasto, live } = useDesk()
  const list = useMemo(
    () => createShownList({ open: () => antipasto.keys.list(), idOf: (key: ApiKey) => key.id, step: STEP }),
    [antipasto],
  )
  const making = useMaking<NewApiKey>(words.settings.makeKey)
  const mayRead = may(me, 'read')

  useEffect(() => {
    if (mayRead) void list.more()
  }, [list, mayRead])
  useEffect(
    () =>
      live.onEvent(({ type }) => {
        if (mayRead && type.startsWith('api_key.')) void list.again()
      }),
    [live, list, mayRead],
  )

  return (
    <Section title={words.settings.keys} action={may(me, 'upload') && making.button}>
      <p class="hint">{words.settings.keysHint}</p>
      {!may(me, 'upload') && <Lacking>{words.settings.keysLackUpload}</Lacking>}
      {making.isOpen && (
        <KeyForm
          me={me}
          onCancel={making.close}
          onMade={(key) => {
            making.finish(key)
            const { key: _, ...listed } = key
            if (mayRead) list.put(listed)
          }}
        />
      )}
      {making.made !== null && <MadeKey made={making.made} onDone={making.close} />}
      {mayRead ? <KeyList me={me} list={list} /> : <Lacking>{words.settings.keysLackRead}</Lacking>}
    </Section>
  )
}

function MadeKey({ made, onDone }: { made: NewApiKey; onDone: () => void }) {
  const { antipasto } = useDesk()
  const command = `npx antipasto login --url ${antipasto.connection.url}`
  return (
    <ShownOnce
      title={words.settings.keyMade(made.name)}
      secret={made.key}
      what={words.settings.key}
      onDone={onDone}
    >
      <p>{words.settings.keyUse}</p>
      <p class="secret">
        <code>{command}</code>
        <CopyButton text={command} what={words.settings.command} />
      </p>
    </ShownOnce>
  )
}

function KeyList({ me, list }: { me: Me; list: ReturnType<typeof createShownList<ApiKey>> }) {
  const { antipasto, session } = useDesk()
  const asked = useSignal<ApiKey | null>(null)
  const place = useRef<HTMLDivElement>(null)
  const keys = list.items.value
  const question = asked.value

  async function revoke(key: ApiKey): Promise<void> {
    await antipasto.keys.revoke(key.id)
    asked.value = null
    list.put({ ...key, state: 'revoked', revoked_at: new Date().toISOString() })
    announce(words.settings.revokedNow(key.name))
    // Its button is gone.
    setTimeout(() => place.current?.closest('section')?.querySelector('h2')?.focus())
    // Whoever revokes the key that they came with has signed out everywhere with it; files on their way wait for another.
    if (isCurrent(key, me)) session.refuse(session.key.peek() ?? '')
  }

  return (
    <div ref={place}>
      {keys?.length === 0 && (
        <Empty icon="lock" title={words.settings.noKeys}>
          <p>{words.settings.noKeysHint}</p>
        </Empty>
      )}
      {keys !== null && keys.length > 0 && (
        <ul class="rows">
          {keys.map((key) => (
            <KeyRow key={key.id} item={key} me={me} onAsk={() => (asked.value = key)} />
          ))}
        </ul>
      )}
      <ListEnd list={list} more={words.settings.moreKeys} />
      {question !== null && (
        <ConfirmEnd
          title={words.settings.revokeAsk(question.name)}
          action={words.settings.revoke}
          failed={words.settings.notRevoked}
          onClose={() => (asked.value = null)}
          end={() => revoke(question)}
        >
          <p>{words.settings.revokeHint}</p>
          {isCurrent(question, me) && <p class="note warning">{words.settings.revokeCurrent}</p>}
        </ConfirmEnd>
      )}
    </div>
  )
}

function KeyRow({ item, me, onAsk }: { item: ApiKey; me: Me; onAsk: () => void }) {
  return (
    <li class="row" tabIndex={-1} data-over={item.state === 'active' ? undefined : ''}>
      <div class="row-words">
        <p class="row-title">
          <strong dir="auto">{item.name}</strong> <code class="soft">{item.prefix}…</code>{' '}
          {item.state !== 'active' && <Badge tone="plain">{words.settings.keyStates[item.state]}</Badge>}
          {isCurrent(item, me) && <Badge tone="busy">{words.settings.currentKey}</Badge>}
        </p>
        <p class="row-facts">
          {item.owner !== me.owner && <span dir="auto">{item.owner}</span>}
          <span>{item.scopes.join(', ')}</span>
          <span>
            {words.settings.made} <Age at={item.created_at} />
          </span>
          <span>
            <KeyEnd item={item} />
          </span>
        </p>
      </div>
      {mayRevoke(item, me) && (
        <button
          type="button"
          class="danger quiet"
          aria-label={words.settings.revokeOf(item.name)}
          onClick={onAsk}
        >
          {words.settings.revoke}
        </button>
      )}
    </li>
  )
}

function KeyEnd({ item }: { item: ApiKey }) {
  if (item.revoked_at !== null) {
    return (
      <>
        {words.settings.revokedAt} <Moment at={item.revoked_at} />
      </>
    )
  }
  if (item.expires_at === null) return words.settings.neverEnds
  if (item.state === 'active') return <TimeLeft at={item.expires_at} />
  return (
    <>
      {words.settings.endedAt} <Moment at={item.expires_at} />
    </>
  )
}
