/** A text with what stands between backticks as code. */
export function Coded({ text }: { text: string }) {
  return (
    <>{text.split('`').map((piece, index) => (index % 2 === 0 ? piece : <code key={piece}>{piece}</code>))}</>
  )
}
