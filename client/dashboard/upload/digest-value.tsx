/** A line may end behind each of these. */
const GROUP = /.{1,8}/g

/** A digest that wraps between groups of eight, and is copied without gaps. */
export function DigestValue({ digest }: { digest: string }) {
  return (
    <code class="upload-hex">
      {digest.match(GROUP)?.map((group, index) => (
        <span key={index}>
          {group}
          <wbr />
        </span>
      ))}
    </code>
  )
}
