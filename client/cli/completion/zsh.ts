// Completion for zsh, by _arguments. Pure.

import type { CompletedCommand, CompletedOption } from './tree.js'

/** A script for a file `_NAME` in $fpath, or to be sourced. */
export function zshCompletion(name: string, tree: readonly CompletedCommand[]): string {
  return `#compdef ${name}
# zsh completion of ${name}: put it into a folder of $fpath as _${name}, or: source <(${name} completion zsh)
${tree.map((command) => zshFunction(name, command)).join('\n')}
if [[ "\${funcstack[1]}" == "_${name}" ]]; then
  _${name} "$@"
else
  compdef _${name} ${name}
fi
`
}

function zshFunction(name: string, command: CompletedCommand): string {
  const { path, commands, options, choices, takesFiles } = command
  const specs = options.flatMap(optionSpecs)
  const own = functionName(name, path)
  if (commands.length === 0) {
    if (choices.length > 0) specs.push(quoted(`*:value:(${choices.join(' ')})`))
    else if (takesFiles) specs.push(quoted('*:file:_files'))
    return `${own}() {\n  _arguments -s ${specs.join(' \\\n    ')}\n}`
  }
  const described = commands.map((child) =>
    quoted(`${child.name.replaceAll(':', '\\:')}:${child.description}`),
  )
  const known = commands.filter((child) => child.name !== 'help')
  return `${own}() {
  local context state state_descr line
  typeset -A opt_args
  local -a commands=(${described.join(' ')})
  _arguments -s -C ${[...specs, quoted('1:command:->command'), quoted('*::argument:->argument')].join(' \\\n    ')}
  case "$state" in
    command) _describe command commands ;;
    argument)
      case "$line[1]" in
${known.map((child) => `        ${child.name}) ${functionName(name, [...path, child.name])} ;;`).join('\n')}
      esac ;;
  esac
}`
}

function functionName(name: string, path: readonly string[]): string {
  return `_${[name, ...path].join('_')}`
}

function optionSpecs({ flags, description, takesValue, choices, isFile }: CompletedOption): string[] {
  const text = description.replaceAll(/[[\]\\:]/g, '\\$&')
  const action = choices.length > 0 ? `(${choices.join(' ')})` : isFile ? '_files' : ' '
  const value = takesValue ? `:value:${action}` : ''
  return flags.map((flag) => quoted(`*${flag}[${text}]${value}`))
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
