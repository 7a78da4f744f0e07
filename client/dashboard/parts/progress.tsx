import { formats } from '../words/words.js'

interface ProgressProps {
  part: number
  /** Null while it isn't known. */
  whole: number | null
  /** What moves, for those who don't see it. */
  label: string
}

export function Progress({ part, whole, label }: ProgressProps) {
  if (whole === null) return <progress aria-label={label} />
  return (
    <progress max={Math.max(whole, 1)} value={whole === 0 ? 1 : part} aria-label={label}>
      {formats.percent(part, whole)}
    </progress>
  )
}
