import type { Bundle } from '../build/bundles.js'
import { withChromium, withProfile } from '../chromium.js'
import type { Round } from './round.js'

/** What field work asks, in a page as slow as the round says. */
export async function targetsRound(round: Round, bundle: Bundle): Promise<void> {
  if (!round.run.wants('targets')) return
  await round.attempt(bundle, 'targets', () =>
    withProfile(profile =>
      withChromium(profile, context =>
        round.page(context, bundle, round.origin(bundle, 'targets'), async page => {
          round.keep(bundle, { figures: await page.evaluate(() => globalThis.bench.targets()) })
        }),
      ),
    ),
  )
}
