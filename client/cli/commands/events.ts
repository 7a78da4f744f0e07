import { Command, Option } from 'commander'
import { EVENT_TYPES } from '../../api/event-types.js'
import type { EventsOptions } from '../event-log.js'
import { countOption } from '../option-values.js'
import { action } from '../session.js'

export function eventsCommand(): Command {
  const choices = EVENT_TYPES.map((type) => type.replace(/\.v1$/, ''))
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
