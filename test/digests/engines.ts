// Both engines, whichever of them would be chosen here.

import { type EngineSeed, webAssemblySeed } from '../../server/digests/engine-choice.js'

export const engines: readonly EngineSeed[] = [{ name: 'openssl' }, webAssemblySeed('a test')]
