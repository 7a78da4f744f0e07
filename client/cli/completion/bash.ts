// Completion for bash 3.2 and later, which macOS still has. Pure.

import type { CompletedCommand, CompletedOption } from './tree.js'

/** A script to be sourced. Options that take a value are jumped over when the command is looked for. */
export function bashCompletion(name: string, tree: readonly CompletedCommand[]): string {
  const valued = [
    ...new Set(
      tree
        .flatMap(({ options }) => options.filter(({ takesValue }) => takesValue))
        .flatMap(({ flags }) => flags),
    ),
  ]
  return `# bash completion of ${name}. Try it: source <(${name} completion bash)
_${name}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" path='' word at
  COMPREPLY=()
  for ((at = 1; at < COMP_CWORD; at++)); do
    word="\${COMP_WORDS[at]}"
    case "$word" in
      ${valued.join('|')}) ((at++)) ;;
      -*) ;;
      *) case "$path $word" in
        ${tree
          .filter(({ path }) => path.length > 0)
          .map(({ path }) => `' ${path.join(' ')}'`)
          .join('|')}) path="$path $word" ;;
      esac ;;
    esac
  done
  local commands='' options='' choices='' files=''
  case "$path" in
${tree.map((command) => place(command)).join('\n')}
  esac
  if [[ "$current" == -* ]]; then
    choices="$options" files=''
  elif [[ -n "$commands" ]]; then
    choices="$commands"
  fi
  if [[ -n "$choices" ]]; then
    COMPREPLY=($(compgen -W "$choices" -- "$current"))
  elif [[ -n "$files" ]]; then
    compopt -o filenames 2>/dev/null
    local IFS=$'\\n'
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -F _${name} ${name}
`
}

function place({ path, commands, options, choices, takesFiles }: CompletedCommand): string {
  const values = options.filter(({ takesValue }) => takesValue)
  const cases = [
    ...values
      .filter((option) => option.choices.length > 0)
      .map((option) => valueCase(option, `choices='${option.choices.join(' ')}'`)),
    ...values.filter(({ isFile }) => isFile).map((option) => valueCase(option, 'files=1')),
    // Anything may stand there: nothing is proposed.
    ...values
      .filter((option) => option.choices.length === 0 && !option.isFile)
      .map((option) => valueCase(option, ':')),
    `        *) commands='${commands.map(({ name }) => name).join(' ')}' choices='${choices.join(' ')}' files='${takesFiles ? '1' : ''}' ;;`,
  ]
  return `    '${path.map((step) => ` ${step}`).join('')}')
      options='${options.flatMap(({ flags }) => flags).join(' ')}'
      case "$before" in
${cases.join('\n')}
      esac ;;`
}

function valueCase({ flags }: CompletedOption, then: string): string {
  return `        ${flags.join('|')}) ${then} ;;`
}
