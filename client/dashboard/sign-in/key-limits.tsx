import { useDesk } from '../desk.js'
import { words } from '../words/words.js'
import { may } from './rights.js'

/**
 * Says that there is nothing to delete with, instead of a refusal: what can't be sent or seen is said where that would be done.
 */
export function KeyLimits() {
  const me = useDesk().me.now.value
  if (may(me, 'delete') || !may(me, 'upload')) return null
  return (
    <p class="note key-limits">
      {words.signIn.lacks.delete} {words.signIn.lacksHint}
    </p>
  )
}
