// Who one is here, what one uses, and the keys and webhooks that work without the page.

import { useDesk } from '../desk.js'
import { useSubject } from '../frame/title.js'
import { Icon } from '../parts/icon.js'
import { hrefOf } from '../route.js'
import { words } from '../words/words.js'
import { AccountSection } from './account.js'
import { KeysSection } from './keys.js'
import { LanguageSection } from './language.js'
import './settings.css'
import { UsageSection } from './usage.js'
import { WebhooksSection } from './webhooks.js'

export function SettingsView() {
  const me = useDesk().me.now.value
  useSubject(words.settings.title)
  return (
    <>
      <a class="back" href={hrefOf({ view: 'files' })}>
        <Icon name="back" />
        {words.common.toFiles}
      </a>
      <div class="view-head">
        <h1 tabIndex={-1}>{words.settings.title}</h1>
      </div>
      {me === null ? (
        <p class="loading">{words.common.loading}</p>
      ) : (
        <>
          <div class="settings-pair">
            <UsageSection me={me} />
            <AccountSection me={me} />
          </div>
          <KeysSection me={me} />
          <WebhooksSection me={me} />
        </>
      )}
      <LanguageSection />
    </>
  )
}
