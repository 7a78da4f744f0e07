// What stands where there are no files: why, and what to do.

import { Coded } from '../parts/coded.js'
import { Empty } from '../parts/empty.js'
import { words } from '../words/words.js'
import { isNarrowed, NO_WISH } from './wish.js'
import { wish, wishFor } from './wish-place.js'

export function NoFiles() {
  if (!isNarrowed(wish.value)) {
    // The style sheet takes the tools away with it: there is nothing to search.
    return (
      <div class="staged-nothing">
        <Empty icon="upload" title={words.staged.empty}>
          <p>{words.staged.emptyWhy}</p>
          <p>
            <Coded text={words.staged.emptyCommand} />
          </p>
        </Empty>
      </div>
    )
  }
  return (
    <Empty icon="search" title={words.staged.noMatch}>
      <p>{words.staged.noMatchWhy}</p>
      <button type="button" onClick={() => showAll()}>
        {words.staged.clear}
      </button>
    </Empty>
  )
}

/** The button goes with what it does: the focus goes to the list's heading. */
function showAll(): void {
  wishFor({ ...NO_WISH, sort: wish.peek().sort })
  focusTitle()
}

/** For when what had the focus goes, and nothing stands in its place. */
export function focusTitle(): void {
  document.querySelector<HTMLElement>('#staged-title')?.focus()
}
