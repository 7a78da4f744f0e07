import { Command } from 'commander'
import type { ManifestOptions } from '../manifest.js'
import { action } from '../session.js'

export function manifestCommand(): Command {
  return new Command('manifest')
    .summary('prints the manifest of a package')
    .description(
      'Prints the manifest of a finalized package: its files with sizes and checksums, byte for byte.',
    )
    .argument('<package>', 'its id or its label')
    .option(
      '--cbor',
      'as CBOR (RFC 8949), whose SHA-256 is the manifest_sha256 of the package, which is checked',
    )
    .option('-o, --output <file>', 'into a file')
    .addHelpText(
      'after',
      `
Examples:
  $ antipasto manifest lakes-2026 | jq .totals
  $ antipasto manifest lakes-2026 --cbor -o lakes.cbor`,
    )
    .action(
      action(async (session, word: string, options: ManifestOptions) => {
        const { printManifest } = await import('../manifest.js')
        await printManifest(session, word, options)
      }),
    )
}
