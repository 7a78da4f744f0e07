import { Argument, Command } from 'commander'

const SHELLS = ['bash', 'zsh', 'fish'] as const

/** @param createProgram the tree that is completed, which this command is in */
export function completionCommand(createProgram: () => Command): Command {
  return new Command('completion')
    .summary('lets your shell complete commands by Tab')
    .description('Prints a script that lets your shell complete commands and options by Tab.')
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .addHelpText(
      'after',
      `
Examples:
  $ antipasto completion bash > ~/.local/share/bash-completion/completions/antipasto
  $ antipasto completion zsh > "\${fpath[1]}/_antipasto"
  $ antipasto completion fish > ~/.config/fish/completions/antipasto.fish`,
    )
    .action(async (shell: (typeof SHELLS)[number]) => {
      const { completionScript } = await import('../completion/script.js')
      process.stdout.write(completionScript(shell, createProgram()))
    })
}
