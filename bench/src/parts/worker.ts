import type { Bundle } from '../build/bundles.js'
import { withChromium, withProfile } from '../chromium.js'
import type { Round } from './round.js'

/** A service worker that is started by an event, over a store of 10,000. */
export async function workerRound(round: Round, bundle: Bundle): Promise<void> {
  if (!round.run.wants('worker')) return
  await round.attempt(bundle, 'worker', () =>
    withProfile(profile =>
      withChromium(profile, async context => {
        const origin = round.origin(bundle, 'worker')
        await round.measure(context, profile, bundle, 'fill by pull', origin)
        await round.page(context, bundle, origin, async page => {
          await page.evaluate(() => globalThis.bench.worker.register())
          const session = await context.newCDPSession(page)
          await session.send('ServiceWorker.enable')
          await session.send('ServiceWorker.stopAllWorkers')
          // The browser has ended the worker's thread when nothing runs in it any more.
          await page.waitForTimeout(1_000)
          round.keep(bundle, { figures: await page.evaluate(() => globalThis.bench.worker.wake('1')) })
        })
      }),
    ),
  )
}
