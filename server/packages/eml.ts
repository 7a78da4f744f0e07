// EML, the Ecological Metadata Language, as PASTA reads it. Pure.

/** What an EML `physical` element says of one file. */
export interface Physical {
  objectName: string
  sizeBytes: number
  md5: string
  sha1: string
  /** A media type. */
  formatName: string
  url: string
}

/**
 * The `physical` element of one file, to be pasted into an EML 2.2.0 document.
 *
 * The order is the schema's and strict. PASTA knows the methods MD5 and SHA-1, compares them untrimmed, and pulls the
 * first URL whose function is not `information`.
 */
export function physicalFragment(physical: Physical): string {
  return `<physical>
  <objectName>${escapeXml(physical.objectName)}</objectName>
  <size unit="byte">${physical.sizeBytes}</size>
  <authentication method="MD5">${physical.md5}</authentication>
  <authentication method="SHA-1">${physical.sha1}</authentication>
  <dataFormat><externallyDefinedFormat><formatName>${escapeXml(physical.formatName)}</formatName></externallyDefinedFormat></dataFormat>
  <distribution><online>
    <url function="download">${escapeXml(physical.url)}</url>
  </online></distribution>
</physical>
`
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
}

function escapeXml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character)
}
