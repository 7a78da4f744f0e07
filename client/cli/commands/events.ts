import { Command, Option } from 'commander'
import type { Event } from '../../api/types.js'
import type { EventsOptions } from '../event-log.js'
import { countOption } from '../option-values.js'
import { action } from '../session.js'

/** A new type that has no row here doesn't compile. */
const TYPES: Readonly<Record<Event['type'], true>> = {
  'upload.created.v1': true,
  'upload.finalizing.v1': true,
  'upload.ready.v1': true,
  'upload.failed.v1': true,
  'upload.canceled.v1': true,
  'upload.extended.v1': true,
  'upload.expiring.v1': true,
  'upload.expired.v1': true,
  'upload.deleted.v1': true,
  'upload.restored.v1': true,
  'package.created.v1': true,
  'package.finalized.v1': true,
  'package.retention_extended.v1': true,
  'package.shared.v1': true,
  'package.unshared.v1': true,
  'package.expired.v1': true,
  'package.deleted.v1': true,
  'api_key.created.v1': true,
  'api_key.revoked.v1': true,
}

export function eventsCommand(): Command {
  const choices = Object.keys(TYPES).map((type) => type.replace(/\.v1$/, ''))
  return new Command('events')
    .summary('tells what has happened, and happens')
    .description(
      'What has happened, in order; with --follow, what happens, over every break of the connection.',
    )
    .option('-f, --follow', 'go on for ever')
    .option('--since <sequence>', 'only what came after this one', countOption)
    .addOption(new Option('--type <types...>', 'only these').choices(choices))
    .addHelpText(
      'after',
      `
Examples:
  $ antipasto events --follow --type upload.ready upload.failed
  $ antipasto events --since 1200 --json | jq -r .sequence`,
    )
    .action(
      action(async (session, options: EventsOptions) => {
        const { tellEvents } = await import('../event-log.js')
        await tellEvents(session, options)
      }),
    )
}
