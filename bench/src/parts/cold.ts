import type { Page } from 'playwright-core'
import { withChromium, withProfile } from '../chromium.js'
import type { WorkloadName } from '../page/workloads.js'
import type { Round } from './round.js'

interface Start {
  readonly workload: 'start synced' | 'start queued' | 'navigate'
  readonly fill: WorkloadName
}

const starts: readonly Start[] = [
  { workload: 'start synced', fill: 'fill by pull' },
  { workload: 'start queued', fill: 'fill by create' },
  { workload: 'navigate', fill: 'fill by pull' },
]

/** Cold starts, each in a newly started browser, over what was filled in the browser before. */
export async function coldRound(round: Round): Promise<void> {
  const chosen = starts.filter(({ workload }) => round.run.wants(workload))
  if (chosen.length === 0) return
  await withProfile(async profile => {
    const filled = new Set<string>()
    await withChromium(profile, async context => {
      for (const { workload, fill } of chosen)
        for (const bundle of round.contestants(workload))
          await round.attempt(bundle, workload, async () => {
            const origin = round.origin(bundle, workload)
            await round.measure(context, profile, bundle, fill, origin)
            filled.add(origin)
          })
    })
    for (const { workload } of chosen)
      for (const bundle of round.contestants(workload)) {
        const origin = round.origin(bundle, workload)
        if (!filled.has(origin)) continue
        await round.attempt(bundle, workload, () =>
          withChromium(profile, async context => {
            if (workload !== 'navigate') {
              round.keep(bundle, await round.measure(context, profile, bundle, workload, origin))
              return
            }
            // As in the others the browser's own start is to end before.
            await new Promise(resolve => setTimeout(resolve, 1_000))
            const read = (page: Page) => page.evaluate(() => globalThis.bench.navigated)
            round.keep(bundle, { figures: (await round.page(context, bundle, origin, read, '?navigate')) ?? {} })
          }),
        )
      }
  })
}
