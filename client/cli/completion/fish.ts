// Completion for fish. Pure.

import type { CompletedCommand } from './tree.js'

/** A script for ~/.config/fish/completions/NAME.fish. */
export function fishCompletion(name: string, tree: readonly CompletedCommand[]): string {
  return `# fish completion of ${name}: ${name} completion fish > ~/.config/fish/completions/${name}.fish
complete -c ${name} -f
${tree.flatMap((command) => linesOf(name, command)).join('\n')}
`
}

function linesOf(name: string, { path, commands, options, choices, takesFiles }: CompletedCommand): string[] {
  const here = `complete -c ${name} -n ${quoted(
    condition(
      path,
      commands.map((child) => child.name),
    ),
  )}`
  return [
    ...commands.map((child) => `${here} -a ${child.name} -d ${quoted(child.description)}`),
    ...options.map(({ flags, description, takesValue, choices: values, isFile }) => {
      const words = flags.map((flag) =>
        flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
      )
      if (takesValue) words.push(isFile ? '-r -F' : '-x')
      if (values.length > 0) words.push(`-a ${quoted(values.join(' '))}`)
      return `${here} ${words.join(' ')} -d ${quoted(description)}`
    }),
    ...(choices.length > 0 ? [`${here} -a ${quoted(choices.join(' '))}`] : []),
    ...(takesFiles ? [`${here} -F`] : []),
  ]
}

/** Where the words so far name this command, and none below it. */
function condition(path: readonly string[], below: readonly string[]): string {
  const seen = path.map((step) => `__fish_seen_subcommand_from ${step}`)
  const notBelow = below.length > 0 ? [`not __fish_seen_subcommand_from ${below.join(' ')}`] : []
  return [...seen, ...notBelow].join('; and ')
}

function quoted(text: string): string {
  return `'${text.replaceAll(/['\\]/g, '\\$&')}'`
}
