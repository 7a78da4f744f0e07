import { useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'

/** Whether a media query holds, for what a style sheet can't do; as long as it is looked at. */
export function useMedia(query: string): boolean {
  const list = useMemo(() => matchMedia(query), [query])
  const holds = useSignal(list.matches)
  useEffect(() => {
    const look = () => {
      holds.value = list.matches
    }
    look()
    list.addEventListener('change', look)
    return () => list.removeEventListener('change', look)
  }, [list, holds])
  return holds.value
}
