// Which server, with which credential, and how to speak: flags before the environment before the config file.
// The only reader of process.env.

import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { type Config, configPathIn, readConfig } from './config-file.js'
import { CommandFailed, EXIT } from './exit-code.js'
import { type Folders, userFolders } from './folders.js'

/** What of the environment counts. An empty variable is none. */
export interface Environment {
  url?: string | undefined
  token?: string | undefined
  tokenFile?: string | undefined
  stateDir?: string | undefined
  home: string
  xdgConfigHome?: string | undefined
  xdgStateHome?: string | undefined
  appData?: string | undefined
  localAppData?: string | undefined
  platform: NodeJS.Platform
  /** NO_COLOR (https://no-color.org) is set, or the terminal is a dumb one. */
  isColorless: boolean
  /** FORCE_COLOR: colours in a pipe, too. */
  isColorForced: boolean
  /** As they are set, for `doctor` to show: undici reads them itself. */
  proxies: { httpProxy?: string | undefined; httpsProxy?: string | undefined; noProxy?: string | undefined }
  /** Where programs are looked for, and which shell: for `completion`. */
  shell?: string | undefined
  /** In an ssh session, or on Linux without a display, no browser can be opened. */
  isRemote: boolean
  hasDisplay: boolean
}

/** What the options that every command has were given as. */
export interface GlobalFlags {
  url?: string
  token?: string
  json?: boolean
  quiet?: boolean
  verbose?: boolean
  color?: boolean
  /** Of `push`: any tus server's. */
  endpoint?: string
}

export type TokenSource = 'flag' | 'environment' | 'token file' | 'config file'

export interface Settings {
  /** The server's, without a slash at its end; null: none is given anywhere. */
  url: string | null
  token: string | null
  /** Where the token came from; null: there is none. */
  tokenSource: TokenSource | null
  isJson: boolean
  isQuiet: boolean
  isVerbose: boolean
  /** Null: as the terminal is. */
  hasColor: boolean | null
  folders: Folders
  configPath: string
  environment: Environment
}

export function readEnvironment(variables: NodeJS.ProcessEnv = process.env): Environment {
  const value = (name: string) => (variables[name] === '' ? undefined : variables[name])
  const either = (name: string) => value(name.toLowerCase()) ?? value(name)
  return {
    url: value('ANTIPASTO_URL'),
    token: value('ANTIPASTO_TOKEN'),
    tokenFile: value('ANTIPASTO_TOKEN_FILE'),
    stateDir: value('ANTIPASTO_STATE_DIR'),
    home: value('HOME') ?? homedir(),
    xdgConfigHome: value('XDG_CONFIG_HOME'),
    xdgStateHome: value('XDG_STATE_HOME'),
    appData: value('APPDATA'),
    localAppData: value('LOCALAPPDATA'),
    platform: process.platform,
    isColorless: value('NO_COLOR') !== undefined || value('TERM') === 'dumb',
    isColorForced: value('FORCE_COLOR') !== undefined && value('FORCE_COLOR') !== '0',
    proxies: {
      httpProxy: either('HTTP_PROXY'),
      httpsProxy: either('HTTPS_PROXY'),
      noProxy: either('NO_PROXY'),
    },
    shell: value('SHELL'),
    isRemote: value('SSH_CONNECTION') !== undefined || value('SSH_TTY') !== undefined,
    hasDisplay: value('DISPLAY') !== undefined || value('WAYLAND_DISPLAY') !== undefined,
  }
}

/** @throws CommandFailed for what is given wrong: exit code 2 */
export async function readSettings(flags: GlobalFlags, environment = readEnvironment()): Promise<Settings> {
  const folders = userFolders(environment)
  const configPath = configPathIn(folders.config)
  const config = await readConfig(configPath)
  const url = chosenUrl(flags, environment, config)
  const given = await readToken(flags, environment, config, url)
  return {
    url,
    token: given?.token ?? null,
    tokenSource: given?.source ?? null,
    isJson: flags.json === true,
    isQuiet: flags.quiet === true,
    isVerbose: flags.verbose === true,
    hasColor: colorChoice(flags, environment),
    folders,
    configPath,
    environment,
  }
}

export function colorChoice(flags: GlobalFlags, environment: Environment): boolean | null {
  if (flags.color === false) return false
  // https://force-color.org: it outweighs NO_COLOR.
  if (environment.isColorForced) return true
  return environment.isColorless ? false : null
}

interface GivenToken {
  token: string
  source: TokenSource
}

/** The token to use now. Asked again when one has ended: files may have changed. */
export async function readToken(
  flags: GlobalFlags,
  environment: Environment,
  config: Config,
  url: string | null,
): Promise<GivenToken | null> {
  if (flags.token !== undefined) return { token: checkedToken(flags.token, '--token'), source: 'flag' }
  // A credential for one server is not for another that somebody named as --endpoint.
  if (flags.endpoint !== undefined && url !== serverUrl(flags, environment, config)) return null
  if (environment.token !== undefined) {
    return { token: checkedToken(environment.token, 'ANTIPASTO_TOKEN'), source: 'environment' }
  }
  if (environment.tokenFile !== undefined) {
    const text = await readTokenFile(environment.tokenFile)
    return { token: checkedToken(text, environment.tokenFile), source: 'token file' }
  }
  const token = url === null ? undefined : config.servers?.[url]?.token
  return token === undefined ? null : { token, source: 'config file' }
}

/** The server; or where only a tus endpoint elsewhere is wanted, that one's origin. */
function chosenUrl(flags: GlobalFlags, environment: Environment, config: Config): string | null {
  const url = serverUrl(flags, environment, config)
  if (flags.endpoint === undefined) return url
  const endpoint = checkedUrl(flags.endpoint, '--endpoint')
  if (url !== null && (endpoint === url || endpoint.startsWith(`${url}/`))) return url
  return new URL(endpoint).origin
}

function serverUrl(flags: GlobalFlags, environment: Environment, config: Config): string | null {
  if (flags.url !== undefined) return checkedUrl(flags.url, '--url')
  if (environment.url !== undefined) return checkedUrl(environment.url, 'ANTIPASTO_URL')
  return config.url === undefined ? null : checkedUrl(config.url, 'the config file')
}

/** `text` as the URL of a server, without a slash at its end. */
export function checkedUrl(text: string, source: string): string {
  const url = URL.canParse(text.trim()) ? new URL(text.trim()) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new CommandFailed(`${JSON.stringify(text)} (${source}) is not the URL of a server.`, {
      exitCode: EXIT.usage,
      hint: 'It begins with https:// or http://, like https://staging.example.org.',
    })
  }
  if (url.username !== '' || url.password !== '') {
    throw new CommandFailed(`The URL from ${source} has a user name in it.`, {
      exitCode: EXIT.usage,
      hint: 'Give the key by --token or ANTIPASTO_TOKEN.',
    })
  }
  return url.href.replace(/\/+$/, '')
}

/** RFC 6750 §2.1: what may stand after `Bearer`. Else a stray quote or line would fail as an unreadable header. */
function checkedToken(text: string, source: string): string {
  const token = text.trim()
  if (/^[\x21-\x7e]+$/.test(token)) return token
  throw new CommandFailed(
    token === ''
      ? `The token from ${source} is empty.`
      : `The token from ${source} has blanks or other characters that no token has.`,
    { exitCode: EXIT.usage, hint: 'Give a key or a token as it was shown, on one line.' },
  )
}

async function readTokenFile(tokenFile: string): Promise<string> {
  try {
    return await readFile(tokenFile, 'utf8')
  } catch (error) {
    throw new CommandFailed(
      `The file ${tokenFile} (ANTIPASTO_TOKEN_FILE) can't be read (${(error as NodeJS.ErrnoException).code}).`,
      { exitCode: EXIT.usage, cause: error },
    )
  }
}
