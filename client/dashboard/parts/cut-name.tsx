import { useMemo } from 'preact/hooks'
import { nameEnds } from './name-ends.js'
import './cut-name.css'

/** A name on one line: when there is no room for all of it, it is cut in the middle. Its title is the caller's. */
export function CutName({ name }: { name: string }) {
  const [head, tail] = useMemo(() => nameEnds(name), [name])
  return (
    <span class="cut-name" dir="auto">
      <span class="cut-name-head">{head}</span>
      {tail !== '' && <span class="cut-name-tail">{tail}</span>}
    </span>
  )
}
