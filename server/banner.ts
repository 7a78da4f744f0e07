// What `npm start` says when it serves. Pure.

/** @param key shown so that page and example can be used as they are; null when keys are the operator's business */
export function banner({ publicUrl, key }: { publicUrl: string; key: string | null }): string[] {
  return [
    '',
    `  antipasto serves at ${publicUrl}`,
    '',
    key === null
      ? `  Open  ${publicUrl}/ and paste an API key ("npm run keys -- create" makes one)`
      : `  Open  ${publicUrl}/#key=${key}`,
    '  or send files and folders from a terminal, also from here:',
    '',
    `    npx antipasto login --url ${publicUrl} --key ${key ?? 'YOUR_KEY'}`,
    '    npx antipasto push FOLDER --label LABEL',
    '',
    '  Any tus client does it, too, and so does curl: the README has examples.',
    '',
    '  Stop with Ctrl-C: running uploads pause and go on after the next start.',
    '',
  ]
}
