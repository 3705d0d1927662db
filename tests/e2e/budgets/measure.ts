import type { Teardown } from '../harness/rig.js'
import { countInBrowser } from './browser.js'
import { countInCore } from './core.js'
import type { Measured } from './ledger.js'
import { measureSizes } from './sizes.js'

/** Everything that has a budget, counted once. */
export async function measure(t: Teardown): Promise<Measured> {
  return { ...(await countInBrowser(t)), ...(await countInCore()), ...(await measureSizes()) }
}
