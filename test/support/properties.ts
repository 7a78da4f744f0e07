// fast-check with one seed for a whole run, which each failure tells: TEST_SEED=… has every property draw the same again.

import fc from 'fast-check'
import { SEED } from './seed.js'

fc.configureGlobal({ seed: SEED })

export default fc
