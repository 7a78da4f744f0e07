// The keys that tokens are checked with: of a PEM file, of a JWK set in a file, of one behind a URL, or of several of these.

import { readFile } from 'node:fs/promises'
import type { Config } from '../config.js'
import { AppError } from '../errors.js'
import type { Log } from '../ops/log.js'
import { type FoundKeys, RemoteKeys } from './jwks-url.js'
import { keyOfPem, keysFitting, keysOfJwks, type VerificationKey } from './verification-key.js'

export interface JwtKeys {
  /** Those that may check a token with this header, best none at all. Never rejects. */
  find(header: { alg: string; kid: string | undefined }): Promise<FoundKeys>
}

export interface JwtKeysOptions {
  readonly config: Pick<Config, 'authPublicKeyFile' | 'authJwksFile' | 'authJwksUrl' | 'authAlgorithms'>
  readonly log: Log
}

/**
 * Reads the files now, and the URL when a token needs it: the server starts while that is away.
 *
 * @returns undefined when there is no key in the settings
 * @throws INVALID_INPUT, naming the setting, for a file that can't be read or has a key that must not or can't be used
 */
export async function openJwtKeys({ config, log }: JwtKeysOptions): Promise<JwtKeys | undefined> {
  const { authPublicKeyFile: pemFile, authJwksFile: jwksFile, authJwksUrl: url, authAlgorithms } = config
  if (pemFile === undefined && jwksFile === undefined && url === undefined) return undefined
  const pinned = [
    ...(pemFile === undefined ? [] : [await keyOfPemFile(pemFile, authAlgorithms)]),
    ...(jwksFile === undefined ? [] : await keysOfJwksFile(jwksFile, authAlgorithms)),
  ]
  const remote = url === undefined ? undefined : new RemoteKeys({ url, algorithms: authAlgorithms, log })
  return {
    async find(header) {
      const here = keysFitting(pinned, header)
      // A key that is here under the token's own name needs nobody's answer.
      const isNamedHere = header.kid !== undefined && here.some(({ kid }) => kid === header.kid)
      if (remote === undefined || isNamedHere) return { keys: here, outage: undefined }
      const { keys, outage } = await remote.find(header)
      return { keys: [...here, ...keys], outage: keys.length > 0 ? undefined : outage }
    },
  }
}

async function keyOfPemFile(
  file: string,
  algorithms: readonly string[] | undefined,
): Promise<VerificationKey> {
  const setting = `AUTH_PUBLIC_KEY_FILE=${JSON.stringify(file)}`
  const read = keyOfPem(await textOf(file, setting), algorithms)
  if ('fault' in read) throw unusable(setting, read.fault)
  return read
}

async function keysOfJwksFile(
  file: string,
  algorithms: readonly string[] | undefined,
): Promise<readonly VerificationKey[]> {
  const setting = `AUTH_JWKS_FILE=${JSON.stringify(file)}`
  const set = keysOfJwks(await textOf(file, setting), algorithms)
  if (set === undefined) throw unusable(setting, 'it is not a JSON Web Key Set of at most 100 keys')
  if (set.faults.length > 0) throw unusable(setting, set.faults.join('; '))
  if (set.keys.length === 0) throw unusable(setting, 'it has no key that checks signatures')
  return set.keys
}

async function textOf(file: string, setting: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'an error'
    throw new AppError('INVALID_INPUT', `${setting} can't be read (${reason}).`, { cause })
  }
}

function unusable(setting: string, fault: string): AppError {
  return new AppError('INVALID_INPUT', `${setting} can't be used: ${fault}.`)
}
