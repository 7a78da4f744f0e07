// What `npm start` says when it serves. Pure.

/** @param key shown so that the page and the example can be used as they are; null when keys are the operator's business */
export function banner({ publicUrl, key }: { publicUrl: string; key: string | null }): string[] {
  const shownKey = key ?? 'YOUR_KEY'
  return [
    '',
    `  antipasto serves at ${publicUrl}`,
    '',
    key === null
      ? `  Open  ${publicUrl}/ and paste an API key ("npm run keys -- create" makes one)`
      : `  Open  ${publicUrl}/#key=${key}`,
    '  or send a file from a terminal, then read its report with checksums and URL:',
    '',
    '    FILE=data.csv',
    `    curl -sS -i -X POST ${publicUrl}/uploads -H 'Authorization: Bearer ${shownKey}' \\`,
    "      -H 'Tus-Resumable: 1.0.0' -H 'Content-Type: application/offset+octet-stream' \\",
    '      -H "Upload-Length: $(wc -c < "$FILE" | tr -d \' \')" \\',
    '      -H "Upload-Metadata: filename $(basename "$FILE" | tr -d \'\\n\' | base64 | tr -d \'\\n\')" -T "$FILE"',
    `    curl -sS ${publicUrl}/uploads -H 'Authorization: Bearer ${shownKey}'`,
    '',
    '  Stop with Ctrl-C: running uploads pause and go on after the next start.',
    '',
  ]
}
