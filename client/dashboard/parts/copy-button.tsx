import { useSignal } from '@preact/signals'
import { announce } from '../announcer.js'
import { words } from '../words/words.js'
import { Icon } from './icon.js'

const SHOWN_MS = 2_000

interface CopyButtonProps {
  /** Or what fetches it: browsers let a click copy what comes a moment later. */
  text: string | (() => Promise<string>)
  /** What it is: "MD5", "the URL". */
  what: string
  /** On the button, where "Copy" alone doesn't say enough. `what` begins with the rest of it. */
  label?: string
}

/** Copies, and says on itself that it has. */
export function CopyButton({ text, what, label = words.common.copy }: CopyButtonProps) {
  const result = useSignal<'copied' | 'copyFailed' | null>(null)

  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(typeof text === 'string' ? text : await text())
      result.value = 'copied'
    } catch {
      // Refused by the browser, or not to be had over http: the text stands there to be selected.
      result.value = 'copyFailed'
    }
    announce(`${what}: ${words.common[result.value]}`)
    setTimeout(() => {
      result.value = null
    }, SHOWN_MS)
  }

  return (
    <button
      type="button"
      class="copy"
      data-result={result.value ?? undefined}
      // What it shows is part of its name: who speaks to the computer says what they see.
      aria-label={
        result.value === null ? words.common.copyOf(what) : `${words.common[result.value]}: ${what}`
      }
      onClick={() => void copy()}
    >
      <Icon name={result.value === 'copied' ? 'check' : 'copy'} />
      <span>{result.value === null ? label : words.common[result.value]}</span>
    </button>
  )
}
