// The command tree as completion needs it: what may come next at each command. Pure.

import type { Argument, Command, Option } from 'commander'

export interface CompletedOption {
  /** `--label`, and `-l` where there is one. */
  flags: string[]
  description: string
  takesValue: boolean
  choices: string[]
  /** Its value is a file. */
  isFile: boolean
}

export interface CompletedCommand {
  /** Below the program: `[]` is the program itself, `['eml', 'patch']` a command of a command. */
  path: string[]
  commands: { name: string; description: string }[]
  options: CompletedOption[]
  /** Of its arguments. */
  choices: string[]
  takesFiles: boolean
}

/** The program and every command below it. Options of the program hold for each. */
export function completionTree(program: Command): CompletedCommand[] {
  return below(program, [], [])
}

function below(command: Command, path: string[], inherited: CompletedOption[]): CompletedCommand[] {
  const help = command.createHelp()
  const commands = help.visibleCommands(command)
  const own = help.visibleOptions(command).map(completedOption)
  const known = new Set(own.flatMap(({ flags }) => flags))
  // --help is said anew by every command.
  const options = [...own, ...inherited.filter(({ flags }) => !flags.some((flag) => known.has(flag)))]
  return [
    {
      path,
      commands: commands.map((child) => ({
        name: child.name(),
        description: firstSentence(child.description()),
      })),
      options,
      choices: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
      takesFiles: command.registeredArguments.some(isFileArgument),
    },
    ...commands
      .filter((child) => child.name() !== 'help')
      .flatMap((child) => below(child, [...path, child.name()], options)),
  ]
}

function completedOption(option: Option): CompletedOption {
  const takesValue = option.required || option.optional
  return {
    flags: [option.short, option.long].filter((flag) => flag !== undefined),
    description: firstSentence(option.description),
    takesValue,
    choices: option.argChoices ?? [],
    isFile: takesValue && /<(file|path|folder)/.test(option.flags),
  }
}

/** By the names that arguments have in the help. */
function isFileArgument(argument: Argument): boolean {
  return /^(file|path|target)/.test(argument.name())
}

function firstSentence(text: string): string {
  return text.split(/(?<=[.:;])\s/)[0]?.replace(/[.:;]$/, '') ?? ''
}
