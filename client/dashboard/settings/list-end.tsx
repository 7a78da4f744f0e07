import { Trouble } from '../parts/trouble.js'
import { words } from '../words/words.js'
import type { ShownList } from './shown-list.js'

interface ListEndProps<Item> {
  list: ShownList<Item>
  /** Which list, for the button's name: "Show more keys". */
  more: string
}

/** What comes behind the items of a list: that it is loading, why it isn't, or a button for more. */
export function ListEnd<Item>({ list, more }: ListEndProps<Item>) {
  const isLoading = list.isLoading.value

  async function showMore(button: HTMLElement): Promise<void> {
    const rows = button.previousElementSibling
    const before = list.items.peek()?.length ?? 0
    await list.more()
    // With the last of them the button is gone: who used it goes on at the first one that is new.
    setTimeout(() => {
      const first = rows?.children[before]
      if (!button.isConnected && first instanceof HTMLElement) first.focus()
    })
  }

  if (list.error.value !== null) {
    return <Trouble error={list.error.value} onRetry={() => void list.more()} />
  }
  if (list.items.value === null) return <p class="loading">{words.common.loading}</p>
  if (!list.hasMore.value) return null
  return (
    <button
      type="button"
      class="show-more"
      aria-disabled={isLoading}
      aria-busy={isLoading}
      onClick={({ currentTarget }) => void showMore(currentTarget)}
    >
      {more}
    </button>
  )
}
