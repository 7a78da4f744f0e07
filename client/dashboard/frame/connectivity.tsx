// Says when there is no network, and when the server can't be reached: once, at the top, and quietly when it is over.

import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { announce } from '../announcer.js'
import { useDesk } from '../desk.js'
import { words } from '../words/words.js'

export function Connectivity() {
  const { live, session } = useDesk()
  const isOnline = useSignal(navigator.onLine)
  useEffect(() => {
    const look = () => {
      isOnline.value = navigator.onLine
    }
    addEventListener('online', look)
    addEventListener('offline', look)
    return () => {
      removeEventListener('online', look)
      removeEventListener('offline', look)
    }
  }, [isOnline])

  const isUnreachable = session.key.value !== null && live.status.value === 'broken'
  const kind = isOnline.value ? (isUnreachable ? 'unreachable' : null) : 'offline'
  useEffect(() => {
    if (kind !== null) announce(words.frame[kind])
  }, [kind])
  if (kind === null) return null
  return (
    <p class="banner" data-kind={kind}>
      {words.frame[kind]}
    </p>
  )
}
